import { AsyncLocalStorage } from 'node:async_hooks';
import { writeSync } from 'node:fs';
import { describe } from '#errors/fault.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** What every line written while serving a request carries. */
export type RequestContext = {
  readonly requestId: string;
  readonly rpc: string;
  /** Of the caller's trace, if it has one. */
  readonly traceId?: string;
};

type Fields = Readonly<Record<string, unknown>>;

/**
 * Writes one JSON object per line to standard error.
 * An Error among the fields is written as its chain of messages.
 */
export type Log = Readonly<Record<LogLevel, (fields: Fields, message: string) => void>>;

const requests = new AsyncLocalStorage<RequestContext>();

/** Runs `work`, and everything it starts, with `context` on each log line. */
export function withRequest<Result>(context: RequestContext, work: () => Result): Result {
  return requests.run(context, work);
}

/** A log that drops lines below `level`. `write` gets each line with its newline. */
export function createLog(level: LogLevel, write: (line: string) => void = writeStderr): Log {
  const threshold = logLevels.indexOf(level);
  const logger = (lineLevel: LogLevel, index: number) =>
    index < threshold
      ? () => {}
      : (fields: Fields, message: string) => write(formatLine(lineLevel, fields, message));
  const [debug, info, warn, error] = logLevels;
  return {
    debug: logger(debug, 0),
    info: logger(info, 1),
    warn: logger(warn, 2),
    error: logger(error, 3),
  };
}

function formatLine(level: LogLevel, fields: Fields, message: string): string {
  const line = {
    time: new Date().toISOString(),
    level,
    message,
    ...requests.getStore(),
    ...fields,
  };
  return `${JSON.stringify(line, (_key, value: unknown) => (value instanceof Error ? describe(value) : typeof value === 'bigint' ? value.toString() : value))}\n`;
}

/** A full pipe or a closed standard error must not end the daemon. */
function writeStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // Nobody is left to tell.
  }
}
