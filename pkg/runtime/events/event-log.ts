import { Fault } from '#errors/fault.ts';
import { now } from '#runtime/clock.ts';
import type { LifeEvent } from './event.ts';

export type Listener = (event: LifeEvent) => void;

export type FollowOptions = {
  /** Begins with the kept events whose sequence is higher; absent: with what happens from now on. */
  readonly after?: number;
};

/** How far a follower may fall behind. An event holds on to records that may be gone otherwise. */
const maxWaiting = 1000;
const maxKept = 250;
const keptForNs = 5 * 60 * 1e9;

/**
 * Tells of what happens, in its order, and keeps the latest events for those who come a little late:
 * at most 250, for 5 minutes.
 */
export class EventLog {
  readonly #listeners = new Set<Listener>();
  #kept: LifeEvent[] = [];
  #lastSequence = 0;

  get lastSequence(): number {
    return this.#lastSequence;
  }

  publish(event: Omit<LifeEvent, 'sequence' | 'at'>): void {
    this.#lastSequence += 1;
    const published = { sequence: this.#lastSequence, at: now(), ...event };
    this.#kept.push(published);
    this.#forget();
    for (const listener of this.#listeners) listener(published);
  }

  /** The kept events, oldest first. */
  recent(): readonly LifeEvent[] {
    this.#forget();
    return this.#kept;
  }

  /** Calls the listener, which must not throw, at each event until the returned value is disposed of. */
  listen(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /**
   * All events until `signal` is aborted. Who does not keep up gets a Fault `resource-exhausted`
   * instead of a list with gaps, and has to look for itself at what there is now.
   */
  async *follow(
    signal: AbortSignal,
    { after = this.#lastSequence }: FollowOptions = {},
  ): AsyncGenerator<LifeEvent, void, undefined> {
    let waiting = this.recent().filter(({ sequence }) => sequence > after);
    let news = Promise.withResolvers<void>();
    using _listening = this.listen((event) => {
      if (waiting.length <= maxWaiting) waiting.push(event);
      news.resolve();
    });
    const wake = (): void => news.resolve();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        if (waiting.length > maxWaiting) throw tooSlow();
        const event = waiting.shift();
        if (event !== undefined) {
          yield event;
          continue;
        }
        waiting = [];
        news = Promise.withResolvers();
        await news.promise;
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #forget(): void {
    const oldest = now() - keptForNs;
    const isOld = this.#kept.length > maxKept || (this.#kept[0]?.at ?? oldest) < oldest;
    if (isOld) this.#kept = this.#kept.filter(({ at }) => at >= oldest).slice(-maxKept);
  }
}

function tooSlow(): Fault {
  return new Fault(
    'resource-exhausted',
    `the reader of events fell ${maxWaiting} behind: list what there is, and follow again`,
  );
}
