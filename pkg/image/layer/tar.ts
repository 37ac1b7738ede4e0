import type { ByteReader } from './bytes.ts';
import { noPax, parsePax, type PaxRecords } from './pax.ts';
import { blockBytes, decodeHeader, malformed, type TarHeader } from './tar-header.ts';
import { type Time, timeFrom } from './time.ts';

const entryTypes = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
} as const;

export type EntryType = (typeof entryTypes)[keyof typeof entryTypes];

/** One member of a tar archive. Names are bytes, held as latin1 text: one character for each. */
export type TarEntry = {
  readonly type: EntryType;
  readonly name: string;
  /** Of a hard link, the name of an earlier entry; of a symbolic link, its text. */
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** How much content follows; only files have any. */
  readonly sizeBytes: number;
  readonly modified: Time;
  readonly device: TarHeader['device'];
  /** Values are bytes, as names are. */
  readonly xattrs: ReadonlyMap<string, string>;
};

/** What special entries before an entry say about it. */
type Extensions = {
  readonly name?: string;
  readonly linkName?: string;
  readonly pax: PaxRecords;
};

const nothing: Extensions = { pax: noPax };

/** Far above what real archives need, far below what would exhaust the memory. */
const maxExtensionBytes = 1 << 20;
const maxNameBytes = 4096;

/**
 * The entries of a tar archive: ustar, with the extensions of pax (POSIX.1-2001) and GNU tar.
 * The content of a file is to be taken from `reader` before the next entry is asked for; what was
 * left is skipped.
 */
export function* tarEntries(reader: ByteReader): Generator<TarEntry, void> {
  const block = Buffer.alloc(blockBytes);
  let extensions = nothing;
  for (let header = next(reader, block); header; header = next(reader, block)) {
    const extension = extensionOf(header, reader);
    if (extension !== undefined) {
      extensions = { ...extensions, ...extension };
      continue;
    }
    const entry = entryOf(header, extensions);
    extensions = nothing;
    const end = reader.position + entry.sizeBytes;
    yield entry;
    reader.skip(end + paddingAfter(entry.sizeBytes) - reader.position);
  }
}

/** Nothing at the end of the archive: a block of zeros, or no more bytes. */
function next(reader: ByteReader, block: Buffer): TarHeader | undefined {
  const length = reader.fill(block);
  if (length === 0) return undefined;
  if (length < blockBytes) throw malformed('the end is missing');
  return block[0] === 0 && block.every((byte) => byte === 0) ? undefined : decodeHeader(block);
}

function paddingAfter(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
}

/** What the header and its content say about the next entry, if that is what they are for. */
function extensionOf(header: TarHeader, reader: ByteReader): Partial<Extensions> | undefined {
  switch (header.typeFlag) {
    case 'x':
      return { pax: parsePax(content(header, reader)) };
    case 'L':
      return { name: cString(content(header, reader)) };
    case 'K':
      return { linkName: cString(content(header, reader)) };
    // Comments on the archive, such as git's, and the label of a tape.
    case 'g':
    case 'V':
      reader.skip(header.sizeBytes + paddingAfter(header.sizeBytes));
      return {};
    default:
      return undefined;
  }
}

function content({ sizeBytes, typeFlag }: TarHeader, reader: ByteReader): Buffer {
  if (sizeBytes > maxExtensionBytes) {
    throw malformed(`an extension "${typeFlag}" of ${sizeBytes} bytes, more than allowed`);
  }
  const bytes = Buffer.alloc(sizeBytes);
  if (reader.fill(bytes) < sizeBytes) throw malformed('the end is missing');
  reader.skip(paddingAfter(sizeBytes));
  return bytes;
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}

function entryOf(header: TarHeader, { name, linkName, pax }: Extensions): TarEntry {
  const entry = {
    name: named(pax.path ?? name ?? header.name),
    linkName: named(pax.linkName ?? linkName ?? header.linkName),
    mode: header.mode,
    uid: pax.uid ?? header.uid,
    gid: pax.gid ?? header.gid,
    modified: pax.modified ?? timeFrom(BigInt(header.mtimeSeconds) * 1_000_000_000n),
    device: header.device,
    xattrs: pax.xattrs,
  };
  const type = typeOf(header.typeFlag, entry.name);
  // Whatever their headers say, the other types have no content.
  return { ...entry, type, sizeBytes: type === 'file' ? (pax.sizeBytes ?? header.sizeBytes) : 0 };
}

function named(name: string): string {
  if (name.length < maxNameBytes && !name.includes('\0')) return name;
  throw malformed(`a name of ${name.length} bytes, or with a zero byte`);
}

/** Archives older than ustar mark directories by a slash only. */
function typeOf(flag: string, name: string): EntryType {
  if (flag === 'S') throw malformed(`"${name}" is a sparse file, which layers must not hold`);
  if (flag === '\0' && name.endsWith('/')) return 'directory';
  const type: EntryType | undefined = isKnown(flag) ? entryTypes[flag] : undefined;
  if (type === undefined) throw malformed(`"${name}" is of the unknown type "${flag}"`);
  return type;
}

function isKnown(flag: string): flag is keyof typeof entryTypes {
  return Object.hasOwn(entryTypes, flag);
}
