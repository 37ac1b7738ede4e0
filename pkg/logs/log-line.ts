/** When something was written: milliseconds of Unix time, and the nanoseconds beyond. */
export type LogTime = { readonly ms: number; readonly ns: number };

/** What one line of a log file holds: a line of the container's output, or a part of one. */
export type LogPart = {
  readonly time: LogTime;
  /** The time as it is in the file: RFC 3339, with nanoseconds. */
  readonly stamp: string;
  readonly stream: 'stdout' | 'stderr';
  /** Whether the container's line goes on in the stream's next part. */
  readonly isPartial: boolean;
  readonly text: Buffer;
};

/** More than the time, the stream and the tags of a line take. */
const maxHeadBytes = 128;

const head =
  /^((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)) (stdout|stderr) ([PF])(?::[^ ]*)? /;

/**
 * Reads a line, without its end, of a log in the CRI's format: `<time> <stream> <P or F> <text>`.
 * Undefined when it is not one, as when the disk was full in the middle of it.
 */
export function parseLogLine(line: Buffer): LogPart | undefined {
  const match = head.exec(line.toString('latin1', 0, maxHeadBytes));
  if (match === null) return undefined;
  const [{ length }, stamp = '', second = '', fraction = '', zone = '', stream, tag] = match;
  const nanos = Number(fraction.padEnd(9, '0'));
  const time = { ms: epochMs(second + zone) + Math.floor(nanos / 1e6), ns: nanos % 1e6 };
  const isPartial = tag === 'P';
  const text = line.subarray(length);
  return { time, stamp, stream: stream === 'stderr' ? 'stderr' : 'stdout', isPartial, text };
}

let last = { text: '', ms: 0 };

/** Many lines are written in one second. */
function epochMs(text: string): number {
  if (last.text !== text) last = { text, ms: Date.parse(text) };
  return last.ms;
}

/** Below 0 when `a` was before `b`. */
export function compareTimes(a: LogTime, b: LogTime): number {
  return a.ms - b.ms || a.ns - b.ns;
}
