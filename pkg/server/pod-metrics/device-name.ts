import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { isErrno } from '#errors/fault.ts';

const known = new Map<string, string>();

/** The path of a block device, as in `/dev/sda`; its numbers where it has none, as a btrfs's. */
export function deviceName(major: number, minor: number): string {
  const numbers = `${major}:${minor}`;
  const name = known.get(numbers) ?? lookUp(numbers);
  known.set(numbers, name);
  return name;
}

function lookUp(numbers: string): string {
  try {
    return `/dev/${basename(readlinkSync(`/sys/dev/block/${numbers}`))}`;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return numbers;
    throw error;
  }
}
