import { type LogPart, type LogTime, parseLogLine } from './log-line.ts';

/** A line that a container has written. */
export type LogEntry = Pick<LogPart, 'time' | 'stamp' | 'stream'> & {
  readonly text: Buffer;
  /** Whether there is no end of the line: not yet, or too far away. */
  readonly isCut: boolean;
};

/** A line that is longer is shown in pieces, for it may have no end. */
const maxLineBytes = 1024 * 1024;

type Open = { readonly parts: LogPart[]; bytes: number };

/** Makes whole lines of the parts that a log has of them, in the order in which they end. */
export class Joiner {
  readonly #open = new Map<LogPart['stream'], Open>();
  #last: { readonly time: LogTime; readonly stamp: string } = { time: { ms: 0, ns: 0 }, stamp: '' };

  /** Takes a line of the file; returns what is complete with it. */
  add(line: Buffer): LogEntry | undefined {
    const part = parseLogLine(line);
    // Torn apart by a full disk: shown as it is, where it is.
    if (part === undefined) return { ...this.#last, stream: 'stdout', text: line, isCut: false };
    this.#last = part;
    const open = this.#open.get(part.stream);
    if (open === undefined && !part.isPartial) return entryOf([part], false);
    const { parts, bytes } = open ?? { parts: [], bytes: 0 };
    parts.push(part);
    if (part.isPartial && bytes + part.text.length < maxLineBytes) {
      this.#open.set(part.stream, { parts, bytes: bytes + part.text.length });
      return undefined;
    }
    this.#open.delete(part.stream);
    return entryOf(parts, part.isPartial);
  }

  /** What has begun and not ended. What may follow is taken for lines of their own. */
  flush(): LogEntry[] {
    const entries = [...this.#open.values()].map(({ parts }) => entryOf(parts, true));
    this.#open.clear();
    return entries.filter((entry) => entry !== undefined);
  }
}

function entryOf(parts: readonly LogPart[], isCut: boolean): LogEntry | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  const { time, stamp, stream, text } = first;
  const whole = parts.length === 1 ? text : Buffer.concat(parts.map((part) => part.text));
  return { time, stamp, stream, text: whole, isCut };
}
