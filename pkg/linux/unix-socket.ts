import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { Fault } from '#errors/fault.ts';

/**
 * Has `bind` make a unix socket at `path`, for root and its group alone (0660), and its folder when
 * that is missing. A socket that a dead process left is replaced.
 * Throws `failed-precondition` when somebody serves there, or what is there is no socket;
 * `unavailable` when `bind` rejects.
 */
export async function bindPrivately(path: string, bind: () => Promise<unknown>): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  await removeDeadSocket(path);
  // Between bind and chmod nobody but root gets in either.
  const umask = process.umask(0o117);
  try {
    await bind();
    chmodSync(path, 0o660);
  } catch (cause) {
    throw new Fault('unavailable', `listen on "${path}"`, { cause });
  } finally {
    process.umask(umask);
  }
}

async function removeDeadSocket(path: string): Promise<void> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new Fault('failed-precondition', `listen on "${path}": it is there and no socket`);
  const { promise: isServed, resolve } = Promise.withResolvers<boolean>();
  const probe = connect(path)
    .on('connect', () => resolve(true))
    .on('error', () => resolve(false));
  if (await isServed) {
    probe.destroy();
    throw new Fault('failed-precondition', `listen on "${path}": another daemon serves there`);
  }
  rmSync(path, { force: true });
}
