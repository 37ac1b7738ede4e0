import { closeSync, constants, type Dir, lstatSync, opendirSync, openSync } from 'node:fs';
import { Fault, isErrno } from '#errors/fault.ts';

export type MeasureRequest = {
  readonly directory: string;
  /** Only what was changed later than this file was written; absent: all of it. */
  readonly since?: string | undefined;
};

/** Bytes that are allocated, and entries, each counted once whatever its names, as du(1) does. */
export type Measured = { readonly usedBytes: number; readonly inodes: number };

type Stat = NonNullable<ReturnType<typeof statOf>>;
/** A directory that is being read. Its entries are reached through its descriptor. */
type Open = { readonly fd: number; readonly entries: Dir };

const statBlockBytes = 512n;

/**
 * Measures a tree that others change meanwhile, and perhaps in bad faith: nothing is followed out of
 * it, and neither its depth nor the size of a directory takes memory. Throws `cancelled` when `isGone`.
 */
export function measure({ directory, since }: MeasureRequest, isGone: () => boolean): Measured {
  const laterThan = since === undefined ? -1n : lstatSync(since, { bigint: true }).mtimeNs;
  const total = new Total(laterThan);
  const top = lstatSync(directory, { bigint: true });
  total.add(top);
  const path: Open[] = [];
  try {
    for (push(path, directory); path.length > 0;) {
      if (isGone()) throw new Fault('cancelled', `measure "${directory}"`);
      step(path, (stat) => {
        if (stat.dev !== top.dev) return false;
        total.add(stat);
        return stat.isDirectory();
      });
    }
  } finally {
    path.forEach(close);
  }
  return total;
}

/** Goes to the next entry of the innermost directory, and into it if `visit` says so. */
function step(path: Open[], visit: (stat: Stat) => boolean): void {
  const open = path.at(-1);
  const entry = open?.entries.readSync();
  if (open === undefined || entry === undefined || entry === null) return close(path.pop());
  const place = Buffer.from(`/proc/self/fd/${open.fd}/${entry.name}`, 'latin1');
  const stat = statOf(place);
  if (stat !== undefined && visit(stat)) push(path, place);
}

function statOf(place: Buffer) {
  return lstatSync(place, { bigint: true, throwIfNoEntry: false });
}

function push(path: Open[], place: string | Buffer): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  try {
    const fd = openSync(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const entries = opendirSync(`/proc/self/fd/${fd}`, { encoding: 'latin1', bufferSize: 256 });
    path.push({ fd, entries });
  } catch (error) {
    // It went, or became something else, since it was looked at.
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
  }
}

function close(open: Open | undefined): void {
  if (open === undefined) return;
  open.entries.closeSync();
  closeSync(open.fd);
}

class Total implements Measured {
  usedBytes = 0;
  inodes = 0;
  readonly #laterThan: bigint;
  /** Of those with several names. */
  readonly #seen = new Set<bigint>();

  constructor(laterThan: bigint) {
    this.#laterThan = laterThan;
  }

  add(stat: Stat): void {
    if (stat.ctimeNs <= this.#laterThan) return;
    if (stat.nlink > 1n && !stat.isDirectory()) {
      if (this.#seen.has(stat.ino)) return;
      this.#seen.add(stat.ino);
    }
    this.usedBytes += Number(stat.blocks * statBlockBytes);
    this.inodes += 1;
  }
}
