import { statfs } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { deviceName } from './device-name.ts';

/** Of a filesystem as a whole. */
export type FilesystemSize = {
  readonly device: string;
  readonly bytes: number;
  readonly inodes: number;
  readonly freeInodes: number;
};

export async function filesystemSize(path: string): Promise<FilesystemSize> {
  const { blocks, bsize, files, ffree } = await statfs(path);
  const { dev } = statSync(path);
  // makedev(3), of numbers as small as those of disks.
  const device = deviceName((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
  return { device, bytes: blocks * bsize, inodes: files, freeInodes: ffree };
}
