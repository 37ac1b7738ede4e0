/** One member of a tar archive. Paths are relative, without a leading slash. */
export type TarEntry = {
  readonly path: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
} & (
  | { readonly type: 'file'; readonly content: Buffer | string }
  | { readonly type: 'directory' }
  | { readonly type: 'symlink' | 'hardlink'; readonly target: string }
);

const blockBytes = 512;
const typeFlags = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const;

/** The archive in ustar format (POSIX.1-1988), with one fixed time, so that equal input gives equal bytes. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const end = Buffer.alloc(2 * blockBytes);
  return Buffer.concat([...entries.flatMap((entry) => [header(entry), ...content(entry)]), end]);
}

function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, offset: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
  if (Buffer.byteLength(entry.path) > 100)
    throw new Error(`path too long for ustar: ${entry.path}`);
  block.write(entry.path, 0);
  octal(entry.mode ?? (entry.type === 'directory' ? 0o755 : 0o644), 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.gid ?? 0, 116, 8);
  octal(entry.type === 'file' ? Buffer.byteLength(entry.content) : 0, 124, 12);
  octal(1_700_000_000, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(typeFlags[entry.type], 156, 'latin1');
  if ('target' in entry) block.write(entry.target, 157);
  block.write('ustar\x0000', 257, 'latin1');
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}

function content(entry: TarEntry): Buffer[] {
  if (entry.type !== 'file') return [];
  const bytes = Buffer.from(entry.content);
  return [bytes, Buffer.alloc(-bytes.length & (blockBytes - 1))];
}
