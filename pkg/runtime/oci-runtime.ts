import { closeSync, constants, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Fault, isErrno } from '#errors/fault.ts';
import type { LinuxResources } from '#api/oci/runtime.ts';
import { startChild } from '#linux/child.ts';
import { endWithin, programPath, runProgram } from '#linux/program.ts';
import type { CgroupDriver } from './cgroup-path.ts';
import type { HandlerFeatures } from './handler-features.ts';
import { runtimeWords } from './runtime-words.ts';

/** A configured runtime handler: an OCI runtime program and the folder that it keeps its state in. */
export type OciRuntime = {
  readonly name: string;
  readonly path: string;
  /** crun's fifo is known to us; every other runtime is driven by its command line alone. */
  readonly kind: 'crun' | 'other';
  readonly root: string;
  /** Options of its own, before the command. */
  readonly options: readonly string[];
  readonly cgroupDriver: CgroupDriver;
  /** Of the root filesystems of its containers; absent for the node's usual one. */
  readonly snapshotter?: string;
  readonly features: HandlerFeatures;
};

const commandTimeoutMs = 60_000;

/** Options that come before the command, as conmon passes them on too. */
export function globalArgs(runtime: OciRuntime): string[] {
  return ['--root', runtime.root, ...runtime.options];
}

/** The same for the creation of a container; later commands go by what the runtime has on record. */
export function creationArgs(runtime: OciRuntime, driver: CgroupDriver): string[] {
  return [...globalArgs(runtime), ...(driver === 'systemd' ? ['--systemd-cgroup'] : [])];
}

/**
 * What an OCI runtime finds in its environment. Each time that it starts, crun makes a file and mounts
 * its own program there, for a moment: if it is killed in that moment both stay, and `folder` is where.
 * In /tmp, where they would be else, nobody would know whose they are.
 */
export function runtimeEnvironment(folder: string): Record<string, string> {
  return { PATH: programPath, _LIBCONTAINER_STATEDIR: folder };
}

/** Whether a file of this name is such a one. */
export function isRuntimeFile(name: string): boolean {
  return /^(crun|runc)\.\w{6}$/.test(name);
}

/** A container of an OCI runtime; its folder is for what `runtimeEnvironment` tells of. */
export type OciContainer = { readonly id: string; readonly folder: string };

/** Lets a created container's process run. */
export async function startProcess(
  runtime: OciRuntime,
  container: OciContainer,
  { hasStartHooks }: { readonly hasStartHooks: boolean },
): Promise<void> {
  const isSimple = runtime.kind === 'crun' && !hasStartHooks;
  if (isSimple && writeExecFifo(join(runtime.root, container.id, 'exec.fifo'))) return;
  await runCommand(runtime, container, ['start', container.id]);
}

type DetachedRun = {
  readonly id: string;
  readonly bundle: string;
  readonly pidFile: string;
  readonly driver: CgroupDriver;
};

/**
 * Creates a container of a bundle and starts it, its output going nowhere and with nobody waiting for
 * its end. The pid of its process is in `pidFile` then. A runtime that does not come back is killed.
 */
export async function runDetached(
  runtime: OciRuntime,
  { id, bundle, pidFile, driver }: DetachedRun,
  patienceMs = commandTimeoutMs,
): Promise<void> {
  const errors = join(bundle, 'errors');
  const log = openSync(errors, 'w', 0o600);
  const run = ['run', '--detach', '--bundle', bundle, '--pid-file', pidFile, id];
  const args = [...creationArgs(runtime, driver), ...run];
  const stdio = [null, null, log];
  try {
    const env = runtimeEnvironment(bundle);
    const child = startChild({ path: runtime.path, args, env, stdio });
    const { exitCode, why } = await endWithin(child, patienceMs);
    if (exitCode === undefined) {
      throw new Fault('deadline-exceeded', `"${runtime.path} run": ${why}`);
    }
    if (exitCode !== 0) throw new Error(runtimeWords(readFileSync(errors, 'utf8')));
  } finally {
    closeSync(log);
  }
}

/** Changes the limits of a running container. What `resources` does not name stays as it is. */
export async function updateResources(
  runtime: OciRuntime,
  container: OciContainer,
  resources: LinuxResources,
): Promise<void> {
  const words = ['update', '--resources', '-', container.id] as const;
  await runCommand(runtime, container, words, JSON.stringify(resources));
}

/** Removes what the runtime keeps of a container, its cgroup too; kills it when it still runs. Idempotent. */
export async function deleteContainer(runtime: OciRuntime, container: OciContainer): Promise<void> {
  await runCommand(runtime, container, ['delete', '--force', container.id]);
}

async function runCommand(
  runtime: OciRuntime,
  { folder }: OciContainer,
  ...[words, input]: [words: readonly [command: string, ...string[]], input?: string]
): Promise<void> {
  const [command] = words;
  await runProgram(runtime.path, [...globalArgs(runtime), ...words], {
    command,
    timeoutMs: commandTimeoutMs,
    env: runtimeEnvironment(folder),
    ...(input === undefined ? {} : { input }),
  });
}

/**
 * Does what `crun start` does for a container without hooks, 3 ms sooner: the container's first
 * process waits for a byte in this fifo. Says whether it was there to read it.
 */
function writeExecFifo(path: string): boolean {
  let fd: number;
  try {
    // Without a reader a blocking open would hold up the daemon for ever.
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENXIO')) return false;
    throw error;
  }
  try {
    unlinkSync(path);
    writeSync(fd, '\0');
    return true;
  } finally {
    closeSync(fd);
  }
}
