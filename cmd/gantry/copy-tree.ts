import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { isErrno } from '#errors/fault.ts';

/** A name in an open directory. The name is bytes, as the kernel has it. */
export type Entry = { readonly directory: number; readonly name: Buffer };

export type CopyOptions = {
  /** Whose the copies are; absent: as the originals' numbers say. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Whether programs that run as their owners go on to, if they are given to another one. */
  readonly keepsSetId: boolean;
  /** Told of what is no file, directory or symbolic link, and is left out. */
  readonly leftOut: (name: string) => void;
};

const { O_RDONLY, O_WRONLY, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Copies a file, a symbolic link or a directory with all that is in it, with modes and times. What has
 * the place already is written over, a directory added to. No symbolic link is followed on either
 * side, also not one that takes a directory's place meanwhile: whoever has the files there can lead
 * us nowhere else.
 */
export function copyTree(from: Entry, to: Entry, options: CopyOptions): void {
  try {
    const stat = lstatSync(pathOf(from));
    if (stat.isDirectory()) copyDirectory(from, to, { ...options, stat });
    else if (stat.isSymbolicLink()) copyLink(from, to, { ...options, stat });
    else if (stat.isFile()) copyFile(from, to, options);
    else options.leftOut(from.name.toString());
  } catch (error) {
    throw CopyError.at(from.name.toString(), error);
  }
}

/** Why something could not be copied; `path` begins with the name that was to be. */
export class CopyError extends Error {
  readonly path: string;

  private constructor(path: string, reason: unknown) {
    super(`copy "${path}"`, { cause: reason });
    this.path = path;
  }

  /** The error of what is below a name becomes that of the name. */
  static at(name: string, error: unknown): CopyError {
    return error instanceof CopyError
      ? new CopyError(`${name}/${error.path}`, error.cause)
      : new CopyError(name, withoutPath(error));
  }
}

/** Without the paths through descriptors, which say nothing to anybody: `EROFS: read-only file system`. */
function withoutPath(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return new Error(error.message.replace(/, \w+ '.*$/s, ''));
}

/** The content of one open directory into another. */
export function copyContent(from: number, to: number, options: CopyOptions): void {
  for (const name of readdirSync(`/proc/self/fd/${from}`, { encoding: 'buffer' })) {
    copyTree({ directory: from, name }, { directory: to, name }, options);
  }
}

/** Through the descriptor, so that only the last part of the path is looked up. */
export function pathOf({ directory, name }: Entry): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

type WithStat = CopyOptions & { readonly stat: Stats };

function copyDirectory(from: Entry, to: Entry, { stat, ...options }: WithStat): void {
  using source = open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    mkdirSync(pathOf(to), { mode: 0o700 });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
  using target = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  copyContent(source.fd, target.fd, options);
  finish(target.fd, stat, options);
}

function copyLink(from: Entry, to: Entry, { stat, owner }: WithStat): void {
  const place = pathOf(to);
  if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory() === false) unlinkSync(place);
  symlinkSync(readlinkSync(pathOf(from), { encoding: 'buffer' }), place);
  const { uid, gid } = owner ?? stat;
  lchownSync(place, uid, gid);
  lutimesSync(place, stat.atime, stat.mtime);
}

function copyFile(from: Entry, to: Entry, options: CopyOptions): void {
  // What is a file may be a fifo by now: that must not hold us up.
  using source = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const stat = fstatSync(source.fd);
  if (!stat.isFile()) return options.leftOut(from.name.toString());
  const present = lstatSync(pathOf(to), { throwIfNoEntry: false });
  if (present?.isSymbolicLink() === true) unlinkSync(pathOf(to));
  // Written over in place: it may be mounted there, as /etc/hosts is.
  using target = open(to, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
  if (!fstatSync(target.fd).isFile()) return options.leftOut(to.name.toString());
  ftruncateSync(target.fd);
  copyBytes(source.fd, target.fd);
  finish(target.fd, stat, options);
}

/** The owner first: changing it takes set-user-id away. */
function finish(fd: number, stat: Stats, { owner, keepsSetId }: CopyOptions): void {
  const { uid, gid } = owner ?? stat;
  fchownSync(fd, uid, gid);
  fchmodSync(fd, stat.mode & (keepsSetId ? 0o7777 : 0o1777));
  futimesSync(fd, stat.atime, stat.mtime);
}

const chunkBytes = 1024 * 1024;

function copyBytes(from: number, to: number): void {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    const length = readSync(from, chunk);
    if (length === 0) return;
    for (let at = 0; at < length;) at += writeSync(to, chunk, at, length - at);
  }
}

function open(entry: Entry, flags: number): Disposable & { readonly fd: number } {
  const fd = openSync(pathOf(entry), flags, 0o600);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}
