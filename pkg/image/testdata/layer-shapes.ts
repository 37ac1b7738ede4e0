import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { check, lsetxattr } from '#linux/libc.ts';

/**
 * Four layers as real images have them: many small files with links, attributes and several owners;
 * a few large files; whiteouts; and something between, with the special bits of programs.
 */
export const layerShapes = ['small', 'large', 'whiteouts', 'medium'] as const;
export type LayerShape = (typeof layerShapes)[number];

/**
 * Makes the tree of such a layer, the same each time, in an empty directory. With `scale` 1 the four
 * have 659 MB in 30,000 entries together, and 206 MB with gzip; with less, as much less.
 */
export function makeLayerTree(shape: LayerShape, directory: string, scale: number): void {
  makers[shape]({ at: (name) => join(directory, name), random: randomFrom(shape), scale });
}

/** An archive of the tree, in the way of GNU tar, with all attributes. */
export function packTree(directory: string, archive: string): void {
  const attributes = ['--numeric-owner', '--xattrs', '--xattrs-include=*'];
  const order = ['--sort=name', '--pax-option=delete=atime,delete=ctime'];
  const format = ['--format=posix', ...order, ...attributes];
  execFileSync('tar', [...format, '-C', directory, '-cf', archive, '.']);
}

type Workshop = {
  readonly at: (name: string) => string;
  readonly random: Random;
  readonly scale: number;
};

const makers: Readonly<Record<LayerShape, (workshop: Workshop) => void>> = {
  small: makeSmall,
  large: makeLarge,
  whiteouts: makeWhiteouts,
  medium: makeMedium,
};

const owners = [0, 1000, 33] as const;

function makeSmall({ at, random, scale }: Workshop): void {
  const count = (of: number) => Math.ceil(of * scale);
  const folders = ['usr'];
  mkdirSync(at('usr'));
  while (folders.length < count(4336)) {
    const folder = `${random.pick(folders.slice(-200))}/folder-${folders.length}`;
    mkdirSync(at(folder));
    folders.push(folder);
  }
  const files: string[] = [];
  for (let n = 0; n < count(24_011); n++) {
    const file = `${random.pick(folders)}/file-${n}`;
    writeFileSync(at(file), content(random, random.size(7300), 0.02));
    const owner = owners[n % 10 < 8 ? 0 : (n % 2) + 1] ?? 0;
    if (owner !== 0) chownSync(at(file), owner, owner);
    utimesSync(at(file), 0, 1_600_000_000 + n + (n % 10 === 0 ? random.fraction() : 0));
    if (n % 240 === 0) setXattr(at(file), 'user.comment', `number ${n}`);
    files.push(file);
  }
  for (let n = 0; n < count(378); n++)
    symlinkSync(`../file-${n}`, at(`${folders[n] ?? 'usr'}/link-${n}`));
  for (let n = 0; n < count(169); n++) linkSync(at(random.pick(files)), at(`usr/hard-${n}`));
}

function makeLarge({ at, random, scale }: Workshop): void {
  for (let n = 0; n < 10; n++) {
    writeFileSync(at(`large-${n}`), content(random, Math.ceil(35_470_000 * scale), 0.19));
  }
}

function makeWhiteouts({ at, random, scale }: Workshop): void {
  mkdirSync(at('usr'));
  mkdirSync(at('opaque'));
  writeFileSync(at('opaque/.wh..wh..opq'), '');
  for (let n = 0; n < 51; n++) writeFileSync(at(`usr/.wh.file-${n}`), '');
  for (let n = 0; n < 60; n++) {
    writeFileSync(at(`opaque/file-${n}`), content(random, Math.ceil(66_000 * scale), 0.3));
  }
  execFileSync('mknod', [at('null'), 'c', '1', '3']);
  execFileSync('mkfifo', [at('fifo')]);
}

function makeMedium({ at, random, scale }: Workshop): void {
  mkdirSync(at('bin'));
  for (let n = 0; n < Math.ceil(487 * Math.sqrt(scale)); n++) {
    const bytes = Math.ceil(random.size(177_000) * Math.sqrt(scale));
    writeFileSync(at(`bin/program-${n}`), content(random, bytes, 0.26), { mode: 0o755 });
  }
  chmodSync(at('bin/program-0'), 0o4755);
  chmodSync(at('bin/program-1'), 0o2755);
  execFileSync('setcap', ['cap_net_raw=ep', at('bin/program-2')]);
}

function setXattr(path: string, name: string, value: string): void {
  check(lsetxattr(path, name, Buffer.from(value), value.length, 0), 'lsetxattr', path);
}

/** Text, which packs well, and among it a share of bytes that do not. */
function content(random: Random, bytes: number, noise: number): Buffer {
  const parts: Buffer[] = [];
  for (let left = bytes; left > 0;) {
    const part = random.fraction() < noise ? random.bytes(2048) : random.text(2048);
    parts.push(part.subarray(0, left));
    left -= Math.min(part.length, left);
  }
  return Buffer.concat(parts);
}

type Random = {
  fraction(): number;
  pick<Item>(from: readonly Item[]): Item;
  /** Around a mean, small ones being the most. */
  size(meanBytes: number): number;
  bytes(length: number): Buffer;
  text(length: number): Buffer;
};

/** Numbers that only look random: the key stream of a cipher. */
function randomFrom(seed: string): Random {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  const zeros = Buffer.alloc(65_536);
  let pool = Buffer.alloc(0);
  const bytes = (length: number): Buffer => {
    if (pool.length < length) pool = cipher.update(zeros);
    const taken = pool.subarray(0, length);
    pool = pool.subarray(length);
    return taken;
  };
  const fraction = () => bytes(4).readUInt32LE() / 2 ** 32;
  const pick = <Item>(from: readonly Item[]): Item => {
    const picked = from[Math.floor(fraction() * from.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  };
  const words = Array.from(
    { length: 2048 },
    () =>
      `${bytes(6)
        .toString('base64')
        .slice(0, 3 + Math.floor(fraction() * 6))} `,
  );
  // A megabyte of text, of which pieces are taken: words, a few of them often.
  const prose = Buffer.from(
    Array.from({ length: 180_000 }, () => words[Math.floor(fraction() ** 18 * words.length)]).join(
      '',
    ),
  );
  return {
    fraction,
    pick,
    bytes,
    size: (meanBytes) => Math.floor((meanBytes * (-Math.log(1 - fraction())) ** 1.6) / 1.43),
    text: (length) => {
      const start = Math.floor(fraction() * (prose.length - length));
      return prose.subarray(start, start + length);
    },
  };
}
