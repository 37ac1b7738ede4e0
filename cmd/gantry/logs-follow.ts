import { existsSync, type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { Poller } from '#linux/poller.ts';
import { LogReader } from '#logs/log-reader.ts';
import { mergeLogs } from '#logs/merge.ts';
import { type LogPrinter, printBeginnings } from './logs-print.ts';
import { findLogs, type Logged, type LogSource } from './logs-source.ts';
import type { NodeView } from './node-view.ts';

export type Following = {
  readonly node: NodeView;
  readonly source: LogSource;
  readonly print: LogPrinter;
  /** Their histories have been read. */
  readonly readers: Map<Logged, LogReader>;
  /** Closes the readers. */
  readonly opened: DisposableStack;
};

/** Between two looks for containers that have come or ended, and at files that tell of no changes. */
const lookEveryMs = 1_000;

/** Prints what is written from now on, until the containers have ended or nobody reads. */
export async function followLogs(following: Following): Promise<void> {
  const { readers, print } = following;
  using watched = new ChangeWatch();
  for (;;) {
    for (const { path } of readers.keys()) watched.add(dirname(path));
    // First, since what a container writes at its end is in its log when it is known to have ended.
    const haveEnded = watched.isTimeToLook() && (await look(following));
    let isQuiet = true;
    const news = [...readers].map(([log, reader]) => [log, reader.more()] as const);
    for await (const batch of mergeLogs(news)) {
      isQuiet = false;
      if (!(await print(batch))) return;
    }
    // A prompt is a line that does not end: it is shown when it has stood there for a while.
    if (watched.isCalm && (isQuiet || haveEnded)) await printBeginnings(print, readers);
    if (haveEnded || isOutputClosed()) return;
    await watched.change();
  }
}

/** Whether whoever read our output has gone, of which Node tells only when something is written. */
function isOutputClosed(): boolean {
  const poller = new Poller();
  let isClosed = false;
  poller.watch(1, 0, () => {
    isClosed = true;
  });
  poller.turn(0);
  return isClosed;
}

/** Takes up what has come. Returns whether all have ended. */
async function look({ node, source, readers, opened }: Following): Promise<boolean> {
  let found: readonly Logged[];
  try {
    found = findLogs(await node.pods(), source);
  } catch {
    // The pod has been removed, or nobody can say. The log may go on for all that is known, if it is there.
    return [...readers.keys()].every(({ path }) => !existsSync(path));
  }
  const known = new Set([...readers.keys()].map(({ container }) => container.id));
  for (const log of found) {
    if (!known.has(log.container.id)) readers.set(log, opened.use(new LogReader(log.path)));
  }
  return found.every(({ container }) => container.state === 'exited');
}

/** Waits for changes in folders, but not for long: not every filesystem tells. */
class ChangeWatch implements Disposable {
  readonly #watchers = new Map<string, FSWatcher>();
  #lookedAtMs = -Infinity;
  #changed = Promise.withResolvers<void>();
  /** Whether nothing has changed for a while. */
  isCalm = true;

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  add(folder: string): void {
    if (this.#watchers.has(folder) || !existsSync(folder)) return;
    const watcher = watch(folder, () => this.#changed.resolve());
    watcher.on('error', () => this.#changed.resolve());
    this.#watchers.set(folder, watcher);
  }

  isTimeToLook(): boolean {
    const isTime = performance.now() >= this.#lookedAtMs + lookEveryMs;
    if (isTime) this.#lookedAtMs = performance.now();
    return isTime;
  }

  async change(): Promise<void> {
    const timer = setTimeout(() => {
      this.isCalm = true;
      this.#changed.resolve();
    }, lookEveryMs);
    this.isCalm = false;
    await this.#changed.promise;
    clearTimeout(timer);
    this.#changed = Promise.withResolvers();
  }
}
