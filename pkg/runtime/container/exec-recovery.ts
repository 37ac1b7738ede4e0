import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { unmount } from '#linux/mount.ts';
import { allProcesses, commandLine } from '#linux/process-list.ts';
import { inspectProcess } from '#linux/process.ts';
import { readIfThere } from '#linux/read-file.ts';
import type { Engine } from '#runtime/engine.ts';
import { isRuntimeFile } from '#runtime/oci-runtime.ts';
import type { Container } from './container.ts';
import { execPidFile, isExecFile } from './exec-process.ts';
import { killExec } from './kill-exec.ts';

/** Between the clocks of processes and of files, whose starts are known to the tick only. */
const clockToleranceMs = 1_000;
/** Clock ticks of start times: sysconf(_SC_CLK_TCK), which is 100 on Linux. */
const tickMs = 10;

/**
 * Ends the commands that an earlier daemon was running in a container when it was killed: whoever
 * asked for them has gone. Their files, which are there before them, lead to them.
 */
export async function endLeftExecs(engine: Engine, container: Container): Promise<void> {
  const { folder } = engine.layout.container(container.id);
  const names = readdirSync(folder);
  await endExecs(engine, container, names.filter(isExecFile));
  for (const name of names.filter(isRuntimeFile)) {
    unmount(join(folder, name));
    rmSync(join(folder, name), { force: true });
  }
}

async function endExecs(
  engine: Engine,
  container: Container,
  specs: readonly string[],
): Promise<void> {
  if (specs.length === 0) return;
  const { folder } = engine.layout.container(container.id);
  const runtimes = allProcesses().map(({ pid }) => ({ pid, words: commandLine(pid) }));
  const inside = await engine.cgroups.processes(container.cgroupPath);
  for (const name of specs) {
    const spec = join(folder, name);
    const runtimePid = runtimes.find(({ words }) => words.includes(spec))?.pid;
    const pid = leftProcess(execPidFile(spec));
    await killExec(engine, container, { runtimePid, pid: inside.find((it) => it === pid) });
    rmSync(execPidFile(spec), { force: true });
    rmSync(spec, { force: true });
  }
}

/** The process that the file names, unless that has ended and another one has its pid by now. */
function leftProcess(pidFile: string): number | undefined {
  const pid = Number(readIfThere(pidFile) ?? 0);
  const process = pid > 0 ? inspectProcess(pid) : undefined;
  if (process === undefined) return undefined;
  const [uptime] = readFileSync('/proc/uptime', 'utf8').split(' ');
  const ageMs = Number(uptime) * 1000 - process.startTime * tickMs;
  const startedAtMs = Date.now() - ageMs;
  return startedAtMs <= statSync(pidFile).mtimeMs + clockToleranceMs ? pid : undefined;
}
