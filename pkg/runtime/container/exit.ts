import { existsSync, type FSWatcher, statSync, watch } from 'node:fs';
import { Fault } from '#errors/fault.ts';
import { explainProcess, identifyProcess, isAlive } from '#linux/process.ts';
import { readIfThere } from '#linux/read-file.ts';
import { now, type UnixNanos } from '#runtime/clock.ts';
import type { Engine } from '#runtime/engine.ts';
import type { ContainerId } from '#runtime/id.ts';
import { deleteContainer } from '#runtime/oci-runtime.ts';
import { noticeEndOfInit } from '#runtime/sandbox/init.ts';
import { rejectWhenAborted, within } from '#runtime/wait.ts';
import { stage } from '#trace/span.ts';
import type { Container, ExitedState } from './container.ts';

/** How an end was learnt of: from the monitor's file, or because the process is gone without one. */
type Exit = { readonly exitCode: number; readonly finishedAt: UnixNanos; readonly lost: boolean };

type WaitOptions = { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined };

/** Between two looks for containers that ended without their monitor telling. */
const sweepIntervalMs = 10_000;
/** The same while nothing tells of any end. */
const unwatchedIntervalMs = 1_000;
/** How long a monitor may take from its container's end to the exit file. */
const monitorGraceMs = 2_000;
const exitCodeLost = 255;
const exitFileName = /^[0-9a-f]{64}$/;

/**
 * Learns of containers' ends and takes note of each once. A monitor writes an exit file; if the monitor
 * was killed there is none, so now and then running containers are looked at. So are pods' inits, which
 * nobody watches; with one, all of its pod's containers end.
 */
export class ExitWatch {
  readonly #waiting = new Map<ContainerId, PromiseWithResolvers<void>>();
  readonly #recording = new Map<ContainerId, Promise<void>>();
  readonly #clearing = new Map<ContainerId, Promise<boolean>>();
  readonly #goneSince = new Map<ContainerId, number>();
  readonly #killed = new Set<ContainerId>();
  #watcher: FSWatcher | undefined;
  #sweep: NodeJS.Timeout | undefined;

  /** Begins to watch. Ends from before are found by `check`, which recovery calls for each container. */
  open(engine: Engine): void {
    this.#sweepEvery(engine, sweepIntervalMs);
    try {
      this.#watcher = watch(engine.layout.exits, (_event, name) => {
        // A monitor writes under another name first.
        const container = exitFileName.test(name ?? '')
          ? engine.containers.find(name ?? '')
          : undefined;
        if (container !== undefined) this.#checkInBackground(engine, container.id);
      });
      this.#watcher.on('error', (error) => this.#goUnwatched(engine, error));
    } catch (error) {
      this.#goUnwatched(engine, error);
    }
  }

  /** Others on the node may have taken all of what the kernel has for this (inotify(7)). */
  #goUnwatched(engine: Engine, error: unknown): void {
    const hint = 'sysctl fs.inotify.max_user_instances or max_user_watches may be too low';
    const sentence = `the ends of containers are known up to ${unwatchedIntervalMs} ms later: ${hint}`;
    engine.log.error({ error }, sentence);
    this.#sweepEvery(engine, unwatchedIntervalMs);
  }

  #sweepEvery(engine: Engine, intervalMs: number): void {
    clearInterval(this.#sweep);
    this.#sweep = setInterval(() => this.#lookAround(engine), intervalMs).unref();
  }

  close(): void {
    this.#watcher?.close();
    clearInterval(this.#sweep);
  }

  /** Takes note of the container's end if it has ended. */
  async check(engine: Engine, id: ContainerId): Promise<void> {
    const recording = this.#recording.get(id);
    if (recording !== undefined) return recording;
    const container = engine.containers.get(id);
    if (container.state.kind !== 'running') return;
    const exit = this.#look(engine, container);
    if (exit === undefined) return;
    const started = this.#record(engine, container, exit).finally(() => this.#recording.delete(id));
    this.#recording.set(id, started);
    return started;
  }

  /** Waits for the clearing away that follows an end. Returns whether all of it is done. */
  async isCleared(id: ContainerId): Promise<boolean> {
    return (await this.#clearing.get(id)) ?? false;
  }

  /** To be called when the container starts (again) or is removed. */
  forget(id: ContainerId): void {
    this.#clearing.delete(id);
    this.#killed.delete(id);
  }

  /** To be called when the container is killed because somebody wants it stopped. */
  noteKill(id: ContainerId): void {
    this.#killed.add(id);
  }

  /**
   * Waits until the container's end is on record. Returns false when `timeoutMs` pass before;
   * throws when `signal` is aborted before.
   */
  async wait(
    engine: Engine,
    id: ContainerId,
    { timeoutMs, signal }: WaitOptions,
  ): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      await this.check(engine, id);
      if (engine.containers.find(id)?.state.kind !== 'running') return true;
      const remainingMs = deadline - performance.now();
      if (remainingMs <= 0) return false;
      // Woken up now and then, for a monitor that is gone tells nothing.
      await this.#ended(id, Math.min(remainingMs, monitorGraceMs / 4), signal);
    }
  }

  async #ended(id: ContainerId, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const ended = this.#waiting.get(id) ?? Promise.withResolvers<void>();
    this.#waiting.set(id, ended);
    using aborted = signal && rejectWhenAborted(signal, async () => abortError(signal));
    await within(Promise.race([ended.promise, ...(aborted ? [aborted] : [])]), timeoutMs);
  }

  async #record(engine: Engine, container: Container, exit: Exit): Promise<void> {
    const isWanted = this.#killed.has(container.id);
    const state = await explainExit(engine, container, { ...exit, isWanted });
    // Its limits may have changed meanwhile.
    engine.containers.putEnd({ ...engine.containers.get(container.id), state }, (error) => {
      const fields = { containerId: container.id, error };
      engine.log.error(fields, 'the end of a container is not on record');
    });
    const sandbox = engine.sandboxes.find(container.sandboxId);
    if (sandbox !== undefined) noticeEndOfInit(engine, sandbox);
    this.#goneSince.delete(container.id);
    this.#clearing.set(container.id, clearAfterExit(engine, container));
    this.#waiting.get(container.id)?.resolve();
    this.#waiting.delete(container.id);
  }

  #lookAround(engine: Engine): void {
    try {
      for (const { id, state } of engine.containers.all()) {
        if (state.kind === 'running' && !isAlive(state.process))
          this.#checkInBackground(engine, id);
      }
      for (const sandbox of engine.sandboxes.all()) noticeEndOfInit(engine, sandbox);
    } catch (error) {
      // As when there are too many open files: the next look is soon.
      engine.log.warn({ error }, 'look for containers that have ended');
    }
  }

  #checkInBackground(engine: Engine, id: ContainerId): void {
    this.check(engine, id).catch((error: unknown) => {
      engine.log.error({ containerId: id, error }, 'the end of a container could not be recorded');
    });
  }

  #look(engine: Engine, { id, state }: Container): Exit | undefined {
    const paths = engine.layout.container(id);
    const exit = readExitFile(paths.exit);
    if (exit !== undefined || state.kind !== 'running' || isAlive(state.process)) return exit;
    const goneSince = this.#goneSince.get(id) ?? performance.now();
    this.#goneSince.set(id, goneSince);
    const mayStillTell =
      performance.now() - goneSince < monitorGraceMs && hasProcess(paths.monitorPidFile);
    if (mayStillTell) return undefined;
    // Once more: the monitor may have told just before it ended.
    return readExitFile(paths.exit) ?? { exitCode: exitCodeLost, finishedAt: now(), lost: true };
  }
}

/** Decides, once, why the container ended, while its cgroup still holds the counters that tell. */
async function explainExit(
  engine: Engine,
  container: Container,
  exit: Exit & { readonly isWanted: boolean },
): Promise<ExitedState> {
  const startedAt =
    container.state.kind === 'running' ? container.state.startedAt : exit.finishedAt;
  const oomKills = await engine.oomLedger.settle(engine, container);
  // Of a container that is killed by a stop, others of its processes may have been before.
  const mayBeOom = exit.exitCode === 137 && !exit.isWanted;
  const oomKilled = mayBeOom && (oomKills > 0 || sawOomKill(engine, container));
  return {
    kind: 'exited',
    startedAt,
    finishedAt: Math.max(exit.finishedAt, startedAt),
    exitCode: exit.exitCode,
    reason: exitReason(exit, oomKilled),
    message: exit.lost
      ? 'its monitor was gone when the container ended, or could not write, so the exit code is lost'
      : '',
  };
}

/** Whether the monitor says so; believed when the cgroup, which has the last word, is gone. */
function sawOomKill({ cgroups, layout }: Engine, { id, cgroupPath }: Container): boolean {
  return !cgroups.exists(cgroupPath) && existsSync(layout.container(id).oom);
}

async function clearAfterExit(engine: Engine, container: Container): Promise<boolean> {
  try {
    await clearProcesses(engine, container);
    return true;
  } catch (error) {
    const fields = { containerId: container.id, error };
    engine.log.warn(fields, 'what an ended container held stays until it is removed');
    return false;
  }
}

function exitReason(exit: Exit, oomKilled: boolean): string {
  if (exit.lost) return 'Unknown';
  if (oomKilled) return 'OOMKilled';
  return exit.exitCode === 0 ? 'Completed' : 'Error';
}

/**
 * Ends what is left of a container's processes (where it shares a pid namespace, they outlive its
 * first one) and has the OCI runtime forget it. Idempotent.
 */
export async function clearProcesses(engine: Engine, container: Container): Promise<void> {
  const { id, cgroupPath, runtimeHandler } = container;
  const { folder } = engine.layout.container(id);
  await stage('kill', () => engine.cgroups.kill(cgroupPath));
  const runtime = engine.handlers.get(runtimeHandler);
  if (runtime !== undefined) await stage('runtime', () => deleteContainer(runtime, { id, folder }));
  await stage('cgroup', () => engine.cgroups.remove(cgroupPath));
}

/** What keeps a container from ending, for an error message. */
export function explainRunning({ state }: Container): string {
  return state.kind === 'running' ? explainProcess(state.process.pid) : `it is ${state.kind}`;
}

function readExitFile(path: string): Exit | undefined {
  const text = readIfThere(path);
  if (text === undefined || !/^-?\d+$/.test(text)) return undefined;
  const finishedAt = Math.round(statSync(path).mtimeMs * 1000) * 1000;
  return { exitCode: Number(text), finishedAt, lost: false };
}

function hasProcess(pidFile: string): boolean {
  const pid = Number(readIfThere(pidFile) ?? 0);
  return pid > 0 && identifyProcess(pid) !== undefined;
}

function abortError({ reason }: AbortSignal): Error {
  return reason instanceof Error
    ? reason
    : new Fault('cancelled', 'wait for the end of a container');
}
