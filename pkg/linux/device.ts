import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '#errors/fault.ts';

/** A device node: `b`lock or `c`haracter, and its numbers (makedev(3)). */
export type DeviceNode = {
  readonly path: string;
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
};

/** The device at `path` or, where that is a folder, all devices below it. */
export function findDevices(path: string): DeviceNode[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) {
    // Links to devices are followed; those to folders may lead round and round.
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
      const below = join(path, entry.name);
      if (entry.isDirectory()) return findDevices(below);
      const device = readDevice(below);
      return device === undefined ? [] : [device];
    });
  }
  const device = readDevice(path);
  if (device !== undefined) return [device];
  throw new Fault(
    'invalid-argument',
    `"${path}" is ${stat === undefined ? 'missing' : 'no device'} on the node`,
  );
}

function readDevice(path: string): DeviceNode | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !(stat.isBlockDevice() || stat.isCharacterDevice())) return undefined;
  return {
    path,
    type: stat.isBlockDevice() ? 'b' : 'c',
    major: (stat.rdev >> 8) & 0xfff,
    minor: (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00),
    fileMode: stat.mode & 0o777,
    uid: stat.uid,
    gid: stat.gid,
  };
}
