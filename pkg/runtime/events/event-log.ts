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
  #followers = 0;
  #toldUpTo = 0;

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
   * All events until `stop` is aborted. Who does not keep up is not given a list with gaps: `stop` is
   * aborted then, and this throws, with a Fault `resource-exhausted`. They have to look for themselves
   * at what there is now.
   */
  async *follow(
    stop: AbortController,
    { after = this.#lastSequence }: FollowOptions = {},
  ): AsyncGenerator<LifeEvent, void, undefined> {
    const waiting = this.recent().filter(({ sequence }) => sequence > after);
    let news = Promise.withResolvers<void>();
    using _listening = this.listen((event) => {
      waiting.push(event);
      if (waiting.length > maxWaiting) stop.abort(tooSlow());
      news.resolve();
    });
    const wake = (): void => news.resolve();
    stop.signal.addEventListener('abort', wake);
    while (!stop.signal.aborted) {
      news = Promise.withResolvers();
      yield* waiting.splice(0);
      if (waiting.length === 0 && !stop.signal.aborted) await news.promise;
    }
    if (stop.signal.reason instanceof Fault) throw stop.signal.reason;
  }

  /**
   * As `follow`, for clients that take turns: the first one gets what is kept from before it came, and
   * each that comes when no other is there goes on where the last one ended.
   */
  async *followOn(stop: AbortController): AsyncGenerator<LifeEvent, void, undefined> {
    const after = this.#followers === 0 ? this.#toldUpTo : this.#lastSequence;
    this.#followers += 1;
    try {
      for await (const event of this.follow(stop, { after })) {
        yield event;
        this.#toldUpTo = Math.max(this.#toldUpTo, event.sequence);
      }
    } finally {
      this.#followers -= 1;
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
