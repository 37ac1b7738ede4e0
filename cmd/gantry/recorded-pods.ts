import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { podViews, type PodView } from '#admin/pod-json.ts';
import { isErrno } from '#errors/fault.ts';
import { isAlive } from '#linux/process.ts';
import type { Container } from '#runtime/container/container.ts';
import { createLayout } from '#runtime/layout.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { readRecords } from '#store/read-records.ts';
import { ExitError } from './command.ts';
import type { Folders } from './places.ts';

/** The pods of a daemon that is down, from its records, and what has ended since. */
export function recordedPods(folders: Folders): PodView[] {
  const { sandboxes, containers } = recordsOf(folders);
  return podViews({ sandboxes, containers: containers.map((it) => asItIs(folders, it)) });
}

function recordsOf(folders: Folders) {
  const [sandboxes, containers] = recordsIn(folders, ['sandboxes', 'containers']);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only the daemon writes them
  return { sandboxes: sandboxes as Sandbox[], containers: containers as Container[] };
}

/** The records of some tables of a daemon that is down; `unreachable` where it has never been. */
export function recordsIn({ root }: Folders, tables: readonly string[]): unknown[][] {
  const path = join(root, 'gantry.db');
  if (existsSync(path)) return readRecords(path, tables);
  const sentence = `no gantryd answers, and none has left records: there is no "${path}"`;
  throw new ExitError('unreachable', sentence);
}

/** The daemon finds out at its start what ended while it was down; so do we, and keep it to ourselves. */
function asItIs({ state }: Folders, container: Container): Container {
  const { id, state: recorded } = container;
  if (recorded.kind !== 'running' || isAlive(recorded.process)) return container;
  const ending = endingIn(createLayout(state).container(id).exit);
  const { startedAt } = recorded;
  return { ...container, state: { kind: 'exited', startedAt, ...ending, message: '' } };
}

/** What the monitor left; what has no monitor left is gone since an unknown time, as after a reboot. */
function endingIn(exitFile: string) {
  try {
    const exitCode = Number(readFileSync(exitFile, 'utf8'));
    const finishedAt = statSync(exitFile).mtimeMs * 1e6;
    return { exitCode, finishedAt, reason: exitCode === 0 ? 'Completed' : 'Error' };
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    return { exitCode: 255, finishedAt: Date.now() * 1e6, reason: 'Unknown' };
  }
}
