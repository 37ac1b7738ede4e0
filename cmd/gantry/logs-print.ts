import { once } from 'node:events';
import type { LogEntry } from '#logs/joiner.ts';
import type { LogReader } from '#logs/log-reader.ts';
import type { Sourced } from '#logs/merge.ts';
import type { Logged } from './logs-source.ts';
import { type Style, styled } from './style.ts';

/** Writes entries to standard output; false when nobody reads that any more. */
export type LogPrinter = (entries: readonly Sourced<Logged>[]) => Promise<boolean>;

export type LogFormat = { readonly isJson: boolean; readonly hasTimes: boolean };

const nameStyles: readonly Style[] = ['cyan', 'green', 'yellow', 'bold'];
const newline = Buffer.from('\n');

/** A printer of the logs of these containers. Their names are written where there are several. */
export function logPrinter(logs: readonly Logged[], { isJson, hasTimes }: LogFormat): LogPrinter {
  const names = [...new Set(logs.map(({ container }) => container.name))];
  const prefixOf = namePrefixes(names);
  const format = ({ source, entry }: Sourced<Logged>): Buffer => {
    if (isJson) return Buffer.from(JSON.stringify(jsonOf(source, entry)));
    const time = hasTimes ? `${styled('dim', entry.stamp)} ` : '';
    return Buffer.concat([Buffer.from(prefixOf(source.container.name) + time), entry.text]);
  };
  return (entries) => write(Buffer.concat(entries.flatMap((it) => [format(it), newline])));
}

/** Prints the beginnings of lines that have no end, or none yet. */
export async function printBeginnings(
  print: LogPrinter,
  readers: ReadonlyMap<Logged, LogReader>,
): Promise<void> {
  const rest = [...readers].flatMap(([source, reader]) =>
    reader.flush().map((entry) => ({ source, entry })),
  );
  await print(rest);
}

function namePrefixes(names: readonly string[]): (name: string) => string {
  if (names.length < 2) return () => '';
  const width = Math.max(...names.map(({ length }) => length));
  const prefixes = names.map((name, n) => {
    const style = nameStyles[n % nameStyles.length] ?? 'bold';
    return [name, `${styled(style, `${name.padEnd(width)} |`)} `] as const;
  });
  const found = new Map(prefixes);
  return (name) => found.get(name) ?? `${name.padEnd(width)} | `;
}

function jsonOf({ pod, container }: Logged, { stamp, stream, text, isCut }: LogEntry): object {
  return {
    time: stamp,
    namespace: pod.namespace,
    pod: pod.name,
    container: container.name,
    id: container.id,
    attempt: container.attempt,
    stream,
    text: text.toString(),
    ...(isCut ? { cut: true } : {}),
  };
}

async function write(bytes: Buffer): Promise<boolean> {
  const { stdout } = process;
  if (bytes.length > 0 && stdout.writable && !stdout.write(bytes)) {
    const settled = new AbortController();
    const { signal } = settled;
    await Promise.race([
      once(stdout, 'drain', { signal }),
      once(stdout, 'close', { signal }),
    ]).catch(() => {});
    settled.abort();
  }
  return stdout.writable;
}
