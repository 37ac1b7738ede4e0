import { existsSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe } from '#errors/fault.ts';
import { checkDatabaseFile } from '#store/read-records.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import type { Folders } from './places.ts';
import { formatBytes } from './sizes.ts';

/** Whether the daemon's database can be read; a daemon that never ran has none. */
export function checkDatabase({ root }: Folders): Finding[] {
  const path = join(root, 'gantry.db');
  if (!existsSync(path)) return [];
  try {
    checkDatabaseFile(path);
    return [ok('database', path)];
  } catch (error) {
    return [problem('database', describe(error), `sqlite3 ${path} .recover`)];
  }
}

/** Room under the daemon's folders. */
export function checkDisk({ root, state }: Folders): Finding[] {
  return [
    ...roomFindings('disk: root', root, 2 * 2 ** 30),
    ...roomFindings('disk: state', state, 16 * 2 ** 20),
  ];
}

function roomFindings(check: string, folder: string, leastBytes: number): Finding[] {
  const { bsize, bavail, blocks, ffree, files } = statfsSync(existing(folder));
  const [freeBytes, share] = [bavail * bsize, bavail / Math.max(blocks, 1)];
  const inodes = files === 0 ? 1 : ffree / files;
  const detail = `${folder}: ${formatBytes(freeBytes)} free (${percent(share)}), ${percent(inodes)} of inodes`;
  const mend = `du -xh --max-depth=1 ${folder} | sort -h; gantry images`;
  if (freeBytes < leastBytes / 8 || inodes < 0.02) return [problem(check, detail, mend)];
  // kubelet begins to remove images, and then pods, at 15 % and 5 %.
  if (freeBytes < leastBytes || share < 0.1 || inodes < 0.05) return [warning(check, detail, mend)];
  return [ok(check, detail)];
}

/** A folder that is yet to be made will be on the filesystem of those above. */
function existing(folder: string): string {
  try {
    statfsSync(folder);
    return folder;
  } catch {
    return folder === '/' ? folder : existing(dirname(folder));
  }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
