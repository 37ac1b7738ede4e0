import type { Readable } from 'node:stream';
import type { TerminalSize } from './sessions.ts';

/** A size takes some 30 characters. */
const maxUnreadLength = 1024;

type Listener = (size: TerminalSize) => void;

/**
 * Reads `{"Width":80,"Height":24}` objects from a source, with or without something between them, and
 * ends a source of other things. Listeners hear of the latest size, and of all that follow.
 */
export function followSizes(source: Readable): (listener: Listener) => void {
  const listeners: Listener[] = [];
  let latest: TerminalSize | undefined;
  let rest = '';
  source.on('data', (chunk: Buffer) => {
    const texts = (rest + chunk.toString('latin1')).split('}');
    rest = texts.pop() ?? '';
    if (rest.length > maxUnreadLength) source.destroy();
    for (const size of texts.map(parseSize)) {
      if (size === undefined) continue;
      latest = size;
      for (const listener of listeners) listener(size);
    }
  });
  return (listener) => {
    listeners.push(listener);
    if (latest !== undefined) listener(latest);
  };
}

/** The size in a message; none when it is not one, or when it has no area. */
function parseSize(text: string): TerminalSize | undefined {
  const [columns, rows] = ['Width', 'Height'].map((name) => {
    const number = Number(new RegExp(`"${name}"\\s*:\\s*(\\d{1,5})\\b`).exec(text)?.[1]);
    return number > 0 && number <= 0xffff ? number : undefined;
  });
  return columns === undefined || rows === undefined ? undefined : { columns, rows };
}
