import type { LogEntry } from './joiner.ts';
import { compareTimes } from './log-line.ts';

/** An entry of one of several logs. */
export type Sourced<Source> = { readonly source: Source; readonly entry: LogEntry };

type Head<Source> = {
  readonly source: Source;
  readonly rest: AsyncIterator<readonly LogEntry[]>;
  entries: readonly LogEntry[];
  next: number;
};

/** Passed on together. */
const batchSize = 512;

/** Merges logs, each in the order of time, into one. Of each, no more than some lines are in memory. */
export async function* mergeLogs<Source>(
  logs: Iterable<readonly [Source, AsyncIterable<readonly LogEntry[]>]>,
): AsyncGenerator<readonly Sourced<Source>[]> {
  let heads: Head<Source>[] = [];
  for (const [source, entries] of logs) {
    heads.push({ source, rest: entries[Symbol.asyncIterator](), entries: [], next: 0 });
  }
  for (const head of heads) await fill(head);
  let batch: Sourced<Source>[] = [];
  for (;;) {
    heads = heads.filter(({ entries }) => entries.length > 0);
    const first = earliest(heads);
    const entry = first?.entries[first.next];
    if (first === undefined || entry === undefined) break;
    batch.push({ source: first.source, entry });
    first.next += 1;
    if (first.next === first.entries.length) await fill(first);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The next entries; none at the end. */
async function fill<Source>(head: Head<Source>): Promise<void> {
  head.next = 0;
  do {
    const { done, value } = await head.rest.next();
    head.entries = done === true ? [] : value;
    if (done === true) return;
  } while (head.entries.length === 0);
}

function earliest<Source>(heads: readonly Head<Source>[]): Head<Source> | undefined {
  let found: Head<Source> | undefined;
  for (const head of heads) {
    const [time, best] = [head.entries[head.next]?.time, found?.entries[found.next]?.time];
    if (time !== undefined && (best === undefined || compareTimes(time, best) < 0)) found = head;
  }
  return found;
}
