import { Fault } from '#errors/fault.ts';

export const blockBytes = 512;

/** The fields of one ustar header, as they stand; names as latin1 text. */
export type TarHeader = {
  readonly typeFlag: string;
  readonly name: string;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly device: { readonly major: number; readonly minor: number };
};

export function malformed(reason: string): Fault {
  return new Fault('failed-precondition', `read tar: ${reason}`);
}

/** Reads a header block as tar(5) and POSIX.1-2001 (ustar) lay it out. */
export function decodeHeader(block: Buffer): TarHeader {
  const checksum = number(block, 148, 8);
  if (checksum !== sum(block)) throw malformed('a header with a wrong checksum');
  return {
    typeFlag: block.toString('latin1', 156, 157),
    name: nameOf(block),
    linkName: text(block, 157, 100),
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    sizeBytes: size(block),
    mtimeSeconds: number(block, 136, 12),
    device: { major: number(block, 329, 8), minor: number(block, 337, 8) },
  };
}

/** The checksum counts its own field as blanks. */
function sum(block: Buffer): number {
  let total = 8 * 0x20;
  for (let n = 0; n < blockBytes; n++) if (n < 148 || n >= 156) total += block[n] ?? 0;
  return total;
}

/** GNU's old format has other things where ustar has the first part of long names. */
function nameOf(block: Buffer): string {
  const name = text(block, 0, 100);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(block, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function size(block: Buffer): number {
  const bytes = number(block, 124, 12);
  if (bytes < 0) throw malformed('an entry of negative size');
  return bytes;
}

function text(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString('latin1', start, end < 0 || end > start + length ? start + length : end);
}

/** Octal digits; or, where the first bit is set, a big-endian number (GNU tar and star). */
function number(block: Buffer, start: number, length: number): number {
  if (((block[start] ?? 0) & 0x80) !== 0) return binary(block, start, length);
  const digits = text(block, start, length).trim();
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits)) throw malformed(`a header with the number "${digits}"`);
  return Number.parseInt(digits, 8);
}

function binary(block: Buffer, start: number, length: number): number {
  const digits = BigInt(`0x${block.toString('hex', start, start + length)}`);
  // The first bit is the mark, the next one the sign.
  const value = Number(BigInt.asIntN(length * 8 - 1, digits));
  if (!Number.isSafeInteger(value)) throw malformed('a header with a number out of range');
  return value;
}
