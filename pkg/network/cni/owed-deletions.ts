import type { Log } from '#log/log.ts';
import { Slots } from './slots.ts';

const firstDelayMs = 1_000;
const maxDelayMs = 60_000;
/** How many go on at a time for nobody who waits: after a reboot every pod is owed one. */
const backgroundSlots = 16;

/** One deletion that has to succeed some time. */
type Owed = {
  failures: number;
  attempt?: Promise<void>;
  timer?: NodeJS.Timeout;
};

/**
 * Deletions that are repeated until they succeed, at longer and longer intervals, each for itself.
 * Whoever asks for one has it tried at once, or joins the try that is under way.
 */
export class OwedDeletions {
  readonly #delete: (id: string) => Promise<void>;
  readonly #log: Log;
  readonly #owed = new Map<string, Owed>();
  readonly #background = new Slots(backgroundSlots);
  #isClosed = false;

  /** `work` deletes what belongs to an id; it is never run twice at a time for one. */
  constructor(work: (id: string) => Promise<void>, log: Log) {
    this.#delete = work;
    this.#log = log;
  }

  isOwed(id: string): boolean {
    return this.#owed.has(id);
  }

  /** Tries at once. Rejects when this try fails; others follow in the background. */
  attempt(id: string): Promise<void> {
    const owed = this.#owe(id);
    clearTimeout(owed.timer);
    owed.attempt ??= this.#try(id, owed);
    return owed.attempt;
  }

  /** As attempt(), when those that were asked for in this way before leave room for it. */
  attemptInTurn(id: string): Promise<void> {
    const owed = this.#owe(id);
    return this.#background.run(async () => {
      // Meanwhile somebody may have had it done.
      if (this.#owed.get(id) === owed) await this.attempt(id);
    });
  }

  /** As attemptInTurn(), for nobody who would learn how it ends. */
  begin(id: string): void {
    void this.attemptInTurn(id).catch((error: unknown) => {
      if (this.#isClosed) return;
      this.#log.warn({ sandboxId: id, error }, 'CNI DEL failed; it is tried again');
    });
  }

  /** What is owed stays so; nothing is tried any more. */
  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#owed.values()) clearTimeout(timer);
  }

  #owe(id: string): Owed {
    const owed = this.#owed.get(id) ?? { failures: 0 };
    this.#owed.set(id, owed);
    return owed;
  }

  async #try(id: string, owed: Owed): Promise<void> {
    try {
      await this.#delete(id);
      this.#owed.delete(id);
    } catch (error) {
      owed.failures++;
      this.#tryAgainLater(id, owed);
      throw error;
    } finally {
      delete owed.attempt;
    }
  }

  #tryAgainLater(id: string, owed: Owed): void {
    if (this.#isClosed) return;
    const delayMs = Math.min(firstDelayMs * 2 ** (owed.failures - 1), maxDelayMs);
    owed.timer = setTimeout(() => this.begin(id), delayMs).unref();
  }
}
