/** One entry of an archive that a test makes up; what is left out is ordinary. */
export type TestEntry = {
  readonly name: string;
  readonly type?: string;
  readonly content?: Uint8Array | string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly linkName?: string;
  readonly mtime?: number;
  readonly device?: readonly [major: number, minor: number];
  /** Records of a pax header before the entry. */
  readonly pax?: Readonly<Record<string, string>>;
};

/** A tar archive of these entries, in this order, ended by two blocks of zeros. */
export function tarArchive(entries: readonly TestEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(1024)]);
}

function blocksOf(entry: TestEntry): Buffer[] {
  const content = Buffer.from(entry.content ?? '');
  const blocks = [header(entry, content.length), padded(content)];
  if (entry.pax === undefined) return blocks;
  const records = Buffer.concat(Object.entries(entry.pax).map(paxRecord));
  return [header({ name: 'pax', type: 'x' }, records.length), padded(records), ...blocks];
}

function paxRecord([key, value]: [string, string]): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`, 'latin1');
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

function header(entry: TestEntry, size: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
  };
  block.write(entry.name, 0, 100, 'latin1');
  octal(entry.mode ?? (entry.type === '5' ? 0o755 : 0o644), 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(entry.mtime ?? 1_700_000_000, 136, 12);
  block.write(entry.type ?? '0', 156, 'latin1');
  block.write(entry.linkName ?? '', 157, 100, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(entry.device?.[0] ?? 0, 329, 8);
  octal(entry.device?.[1] ?? 0, 337, 8);
  block.fill(' ', 148, 156);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}
