import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isErrno } from '#errors/fault.ts';

/** An open file. Closes with the scope. */
export type LogFile = Disposable & {
  readonly path: string;
  readonly fd: number;
  readonly isCompressed: boolean;
  readonly inode: string;
};

/** One that kubelet has renamed, and perhaps compressed, to make room for the next. */
export type RotatedLog = { readonly path: string; readonly rotatedAt: string };

const rotated = /^\.(\d{8}-\d{6})(\.gz)?$/;

/** What kubelet has kept of a log that is written to `path`, the oldest first. */
export function listRotated(path: string): RotatedLog[] {
  const [folder, name] = [dirname(path), basename(path)];
  const found = new Map<string, RotatedLog>();
  // A file is there under both names while it is compressed; the plain one is whole.
  for (const entry of namesIn(folder).sort().toReversed()) {
    const rotatedAt = entry.startsWith(name)
      ? rotated.exec(entry.slice(name.length))?.[1]
      : undefined;
    if (rotatedAt !== undefined) found.set(rotatedAt, { path: join(folder, entry), rotatedAt });
  }
  return [...found.values()].toReversed();
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Opens a log file; undefined when there is none, or no more. */
export function openLogFile(path: string): LogFile | undefined {
  try {
    const fd = openSync(path, 'r');
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const isCompressed = path.endsWith('.gz');
    const close = () => closeSync(fd);
    return { path, fd, isCompressed, inode: `${dev}:${ino}`, [Symbol.dispose]: close };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** One of listRotated(), which may have been compressed since. */
export function openRotated({ path }: RotatedLog): LogFile | undefined {
  return openLogFile(path) ?? openLogFile(`${path}.gz`);
}

/** That of the file at `path`, as in LogFile; undefined when there is none. */
export function inodeAt(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

export function sizeOf({ fd }: LogFile): number {
  return fstatSync(fd).size;
}

/** The bytes from `offset`, at most `length` of them; fewer at the end. */
export function readBlock({ fd }: LogFile, offset: number, length: number): Buffer {
  const block = Buffer.allocUnsafe(length);
  return block.subarray(0, readSync(fd, block, 0, length, offset));
}
