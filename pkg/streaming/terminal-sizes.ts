import type { Readable } from 'node:stream';
import type { TerminalSize } from './sessions.ts';

/** A line has some 30 characters. */
const maxLineLength = 1024;

/** Calls back for each `{"Width":80,"Height":24}` line that is a size; ends a source of other things. */
export function readSizes(source: Readable, listener: (size: TerminalSize) => void): void {
  let rest = '';
  source.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineLength) source.destroy();
    for (const size of lines.map(parseSize)) if (size !== undefined) listener(size);
  });
}

/** The size in a message; none when it is not one, or when it has no area. */
export function parseSize(text: string): TerminalSize | undefined {
  const [columns, rows] = ['Width', 'Height'].map((name) => {
    const number = Number(new RegExp(`"${name}"\\s*:\\s*(\\d{1,5})\\b`).exec(text)?.[1]);
    return number > 0 && number <= 0xffff ? number : undefined;
  });
  return columns === undefined || rows === undefined ? undefined : { columns, rows };
}
