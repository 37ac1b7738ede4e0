import { chownSync, closeSync, constants, fstatSync, readSync } from 'node:fs';
import { isErrno, SyscallError } from '#errors/fault.ts';
import { check, lastError, mkdirat, openat2 } from './libc.ts';

const { O_RDONLY, O_DIRECTORY, O_NONBLOCK } = constants;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
// openat2(2)
const RESOLVE_NO_MAGICLINKS = 2n;
const RESOLVE_IN_ROOT = 16n;
const AT_FDCWD = -100;

/**
 * The beginning of a file as a process whose root directory is `root` would read it: symbolic links
 * and `..` cannot lead out. Undefined when there is no regular file of that name.
 */
export function readFileInRoot(root: string, path: string, maxBytes: number): string | undefined {
  // A fifo must not hold us up until somebody writes to it.
  const fd = openInRoot(root, path, O_RDONLY | O_NONBLOCK);
  return fd === undefined ? undefined : readAndClose(fd, maxBytes);
}

/** The directory that has this name for a process whose root directory is `root`: a descriptor with O_PATH. */
export function openDirectoryInRoot(root: string, path: string): number | undefined {
  return openInRoot(root, path, O_PATH | O_DIRECTORY);
}

/**
 * Makes the directories that are missing on the way to `path`, as a process whose root directory is
 * `root` would: 0755, of the given user and group. What is in the way, and is no directory, stays.
 */
export function makeDirectoryInRoot(root: string, path: string, owner: number): void {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  for (const [index, name] of names.entries()) {
    const above = openDirectoryInRoot(root, `/${names.slice(0, index).join('/')}`);
    if (above === undefined) return;
    try {
      if (mkdirat(above, name, 0o755) < 0) {
        if (lastError() === 'EEXIST') continue;
        throw new SyscallError('mkdirat', lastError(), path);
      }
      // Through the descriptor: nobody can put a link in the place of what was just made.
      chownSync(`/proc/self/fd/${above}/${name}`, owner, owner);
    } finally {
      closeSync(above);
    }
  }
}

function openInRoot(root: string, path: string, flags: number): number | undefined {
  const rootFd = openAt(AT_FDCWD, root, { flags: O_PATH | O_DIRECTORY, resolve: 0n });
  try {
    return openAt(rootFd, path, { flags, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  } finally {
    closeSync(rootFd);
  }
}

function openAt(
  dirFd: number,
  path: string,
  { flags, resolve }: { readonly flags: number; readonly resolve: bigint },
): number {
  const how = new BigUint64Array([BigInt(flags | O_CLOEXEC), 0n, resolve]);
  return check(openat2(dirFd, path, how, how.byteLength), 'openat2', path);
}

function readAndClose(fd: number, maxBytes: number): string | undefined {
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    const buffer = Buffer.allocUnsafe(Math.min(maxBytes, fstatSync(fd).size));
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}
