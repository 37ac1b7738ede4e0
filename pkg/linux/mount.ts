import { readText } from './read-file.ts';
import { closeSync, realpathSync } from 'node:fs';
import { describe, Fault, isErrno } from '#errors/fault.ts';
import {
  check,
  fsconfig,
  fsmount,
  fsopen,
  lastError,
  mount,
  mountSetattr,
  moveMount,
  umount2,
} from './libc.ts';

/**
 * A filesystem that can be mounted anywhere: a plain value, in which packages that do not know each
 * other meet. `options` are those of mount(8): flags such as `nosuid`, and the filesystem's own. With
 * `bind`, the directory `source` is what appears; other flags have no effect then.
 */
export type Mount = {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
};

export type Propagation = 'private' | 'slave' | 'shared' | 'unbindable';

export type BindOptions = {
  /** Applies to every mount that a recursive bind brings along, too. */
  readonly readOnly?: boolean;
  /** Brings along what is mounted below the source. */
  readonly recursive?: boolean;
  /** How later mounts below travel between the two places; absent: as the target's parent says. */
  readonly propagation?: Propagation;
};

// mount(2)
const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_BIND = 4096;
const MS_REC = 16_384;
const propagationFlags: Record<Propagation, number> = {
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
};

const setFlags = new Map([
  ['ro', MS_RDONLY],
  ['nosuid', MS_NOSUID],
  ['nodev', MS_NODEV],
  ['noexec', MS_NOEXEC],
  ['sync', 16],
  ['dirsync', 128],
  ['bind', MS_BIND],
  ['nosymfollow', 256],
  ['noatime', 1024],
  ['nodiratime', 2048],
  ['relatime', 1 << 21],
  ['strictatime', 1 << 24],
  ['lazytime', 1 << 25],
]);
const defaultFlags = new Set(['defaults', 'rw', 'suid', 'dev', 'exec', 'async']);

/** mount(2) copies one page of options, the last byte of which is the terminating zero. */
const maxOptionBytes = 4095;

/** Mounts a filesystem on `target`. Bind mounts with options have a function of their own. */
export function mountFilesystem({ type, source, options }: Mount, target: string): void {
  const flags = options.reduce((sum, option) => sum | (setFlags.get(option) ?? 0), 0);
  const own = options.filter((option) => !setFlags.has(option) && !defaultFlags.has(option));
  const joined = own.join(',');
  if (Buffer.byteLength(joined) <= maxOptionBytes) {
    check(mount(source, target, type, flags, joined), 'mount', target);
  } else {
    mountWithManyOptions({ type, source, options: own }, flags, target);
  }
}

// <linux/mount.h>
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const AT_FDCWD = -100;
const AT_RECURSIVE = 0x8000;
/** What fsmount(2) knows by the same bits as mount(2); access times keep the default of the type. */
const sharedFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

/** The mount API that takes options one by one. Appending lower directories needs Linux 6.7. */
function mountWithManyOptions(wanted: Mount, flags: number, target: string): void {
  const { type, source, options } = wanted;
  using context = ownFd(check(fsopen(type, 1), 'fsopen', type));
  const configure = (command: number, key: string | null, value: string | null): void => {
    const detail = `${type}: ${[key, value].filter((part) => part !== null).join('=')}`;
    check(fsconfig(context.fd, command, key, value, 0), 'fsconfig', detail);
  };
  try {
    configure(FSCONFIG_SET_STRING, 'source', source);
    for (const [key, value] of options.flatMap(appended)) {
      configure(value === null ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value);
    }
    configure(FSCONFIG_CMD_CREATE, null, null);
  } catch (cause) {
    if (!isErrno(cause, 'EINVAL')) throw cause;
    const sentence = `mount ${type} on "${target}": more options than one page, which this kernel refuses`;
    throw new Fault('failed-precondition', sentence, { cause });
  }
  const made = fsmount(context.fd, FSMOUNT_CLOEXEC, flags & sharedFlags);
  using detached = ownFd(check(made, 'fsmount', target));
  const moved = moveMount(detached.fd, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
  check(moved, 'move_mount', target);
}

/** One option as fsconfig(2) takes it; a stack of lower directories becomes one call for each. */
function appended(option: string): [key: string, value: string | null][] {
  const at = option.indexOf('=');
  if (at < 0) return [[option, null]];
  const [key, value] = [option.slice(0, at), option.slice(at + 1)];
  if (key !== 'lowerdir') return [[key, value]];
  return value.split(':').map((lower) => ['lowerdir+', lower]);
}

function ownFd(fd: number): Disposable & { readonly fd: number } {
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Makes `source`, a file or a directory, appear at `target`, which must be one of the same kind. */
export function bindMount(source: string, target: string, options: BindOptions = {}): void {
  const recursion = options.recursive ? MS_REC : 0;
  check(mount(source, target, null, MS_BIND | recursion, null), 'mount', target);
  try {
    if (options.readOnly) makeReadOnly(target, options.recursive ?? false);
    if (options.propagation) {
      const flags = propagationFlags[options.propagation] | recursion;
      check(mount(null, target, null, flags, null), 'mount', target);
    }
  } catch (error) {
    umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
    throw error;
  }
}

/** Unlike a remount, mount_setattr(2) leaves the other flags as the source has them. */
function makeReadOnly(target: string, recursive: boolean): void {
  const attributes = new BigUint64Array([BigInt(MS_RDONLY), 0n, 0n, 0n]);
  const flags = recursive ? AT_RECURSIVE : 0;
  const done = mountSetattr(AT_FDCWD, target, flags, attributes, attributes.byteLength);
  check(done, 'mount_setattr', target);
}

/** Mounts an empty tmpfs that can hold neither programs to run nor devices. */
export function mountTmpfs(
  target: string,
  { sizeBytes, mode }: { readonly sizeBytes: number; readonly mode: number },
): void {
  const options = ['nosuid', 'nodev', 'noexec', `size=${sizeBytes}`, `mode=${mode.toString(8)}`];
  mountFilesystem({ type: 'tmpfs', source: 'tmpfs', options }, target);
}

// umount2(2)
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** Detaches all that is mounted on `target`. Succeeds when nothing is, or the path is gone. */
export function unmount(target: string): void {
  while (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) === 0);
  // EINVAL: not a mount point (or a symbolic link, which never is one).
  if (!['EINVAL', 'ENOENT'].includes(lastError())) check(-1, 'umount2', target);
}

/** The mount points at and below `dir`, each once, the deepest first: the order to unmount in. */
export function mountPointsUnder(dir: string): string[] {
  return pointsUnder(dir, mountPoints());
}

/**
 * Detaches all that is mounted at and below each of the directories, so that removing them removes
 * nothing else. Returns, for each, what went wrong. All mounts of the node are read for it, once.
 */
export function unmountUnder(dirs: readonly string[]): (string | undefined)[] {
  const points = mountPoints();
  return dirs.map((dir) => {
    try {
      for (const point of pointsUnder(dir, points)) unmount(point);
      return undefined;
    } catch (error) {
      return describe(error);
    }
  });
}

function pointsUnder(dir: string, points: readonly string[]): string[] {
  const top = realPath(dir);
  if (top === undefined) return [];
  const below = points.filter(
    (point) => point === top || point.startsWith(top === '/' ? '/' : `${top}/`),
  );
  return [...new Set(below)].toSorted((a, b) => b.split('/').length - a.split('/').length);
}

/** Those of the node. The kernel makes the list anew for each who reads it. */
function mountPoints(): string[] {
  const lines = readText('/proc/self/mountinfo').split('\n');
  return lines.map((line) => decodeOctal(line.split(' ')[4] ?? ''));
}

/** proc_pid_mountinfo(5) has resolved paths only. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Blanks, tabs, newlines and backslashes are written as `\040` and the like. */
function decodeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  );
}
