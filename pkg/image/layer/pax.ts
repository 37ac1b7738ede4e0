import { malformed } from './tar-header.ts';
import { parseTime, type Time } from './time.ts';

/** What a pax extended header says that we use. Text is latin1: one character for each byte. */
export type PaxRecords = {
  readonly path?: string;
  readonly linkName?: string;
  readonly sizeBytes?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly modified?: Time;
  readonly xattrs: ReadonlyMap<string, string>;
};

export const noPax: PaxRecords = { xattrs: new Map() };

const xattrPrefix = 'SCHILY.xattr.';

/** Reads the records of a pax extended header (POSIX.1-2001); unknown ones are left out. */
export function parsePax(bytes: Buffer): PaxRecords {
  const xattrs = new Map<string, string>();
  let known: Partial<PaxRecords> = {};
  for (const [key, value] of keysAndValues(bytes)) {
    if (key.startsWith(xattrPrefix)) xattrs.set(key.slice(xattrPrefix.length), value);
    else known = { ...known, ...recordOf(key, value) };
  }
  return { ...known, xattrs };
}

/** Each record is `length key=value\n`, where the length counts all of it. */
function* keysAndValues(bytes: Buffer): Generator<[key: string, value: string], void> {
  for (let start = 0; start < bytes.length;) {
    const blank = bytes.indexOf(' ', start);
    const end = start + decimal(bytes.toString('latin1', start, Math.max(blank, start)));
    const equals = bytes.indexOf('=', blank);
    if (equals < 0 || end <= equals || end > bytes.length || bytes[end - 1] !== newline) {
      throw malformed('a pax header that is cut off or out of step');
    }
    yield [
      bytes.toString('latin1', blank + 1, equals),
      bytes.toString('latin1', equals + 1, end - 1),
    ];
    start = end;
  }
}

const newline = 0x0a;

function recordOf(key: string, value: string): Partial<PaxRecords> {
  if (key.startsWith('GNU.sparse.')) throw malformed('a sparse file, which layers must not hold');
  switch (key) {
    case 'path':
      return { path: value };
    case 'linkpath':
      return { linkName: value };
    case 'size':
      return { sizeBytes: decimal(value) };
    case 'uid':
      return { uid: decimal(value) };
    case 'gid':
      return { gid: decimal(value) };
    case 'mtime':
      return { modified: timeOf(value) };
    default:
      return {};
  }
}

function decimal(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw malformed(`a pax header with the number "${text}"`);
  return value;
}

function timeOf(text: string): Time {
  const time = parseTime(text);
  if (time === undefined) throw malformed(`the time "${text}"`);
  return time;
}
