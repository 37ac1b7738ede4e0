import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { identifyProcess } from '#linux/process.ts';
import { newContainerId } from './id.ts';
import { createLayout } from './layout.ts';
import { createMonitored } from './monitor.ts';
import { type OciRuntime, runDetached } from './oci-runtime.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-monitor-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

/** Of no use here but for its path. */
const runtimeAt = (path: string) => ({ path, root: folder, options: [] }) as unknown as OciRuntime;

/** Whether each of the processes whose pids are in files is gone. */
const areGone = (...names: string[]) =>
  names.map((name) => Number(readFileSync(join(folder, name), 'utf8'))).every(isGone);
const isGone = (pid: number) => identifyProcess(pid) === undefined;

/** What conmon does, but that the first does not come so far, and the other's runtime does not return. */
const hanging = {
  'says nothing at all': 'echo $$ >monitor; exec sleep 1000',
  'waits for a runtime without end': `
    setsid sh -c 'echo $$ >monitor; cp monitor "$0"; sh -c "echo \\$\\$ >runtime; exec sleep 1000"; :' "$PIDFILE" &`,
};

it.each(Object.entries(hanging))('kills a monitor that %s', async (_, script) => {
  const layout = createLayout(folder);
  const id = newContainerId();
  const { folder: bundle, monitorPidFile } = layout.container(id);
  mkdirSync(bundle, { recursive: true });
  const monitor = program('conmon', `cd ${folder}; PIDFILE=${monitorPidFile}\n${script}`);
  const streams = { logPath: '', stdin: false, stdinOnce: false, tty: false };
  const container = { id, name: 'x', ...streams, cgroupDriver: 'cgroupfs' } as const;
  const creation = { layout, container, timeoutMs: 500 };
  const created = createMonitored(monitor, runtimeAt('/bin/true'), creation);
  await expect(created).rejects.toMatchObject({ code: 'deadline-exceeded' });
  const started = ['monitor', ...(script.includes('>runtime') ? ['runtime'] : [])];
  await expect.poll(() => areGone(...started)).toBe(true);
});

it('kills an OCI runtime that does not come back from a detached run', async () => {
  const path = program('runtime', `echo $$ >${folder}/runtime.pid; sleep 1000`);
  const run = {
    id: 'x',
    bundle: folder,
    pidFile: join(folder, 'pid'),
    driver: 'cgroupfs' as const,
  };
  await expect(runDetached(runtimeAt(path), run, 300)).rejects.toMatchObject({
    code: 'deadline-exceeded',
  });
  expect(areGone('runtime.pid')).toBe(true);
});
