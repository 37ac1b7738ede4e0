import type { Duplex } from 'node:stream';
import type { Log } from '#log/log.ts';

/** The sessions under way of one server, by the connections that they are on. */
export class OpenSessions {
  readonly #log: Log;
  readonly #sessions = new Map<Duplex, { readonly name: string; readonly ended: Promise<void> }>();

  constructor(log: Log) {
    this.#log = log;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Holds a session, which must not reject, until it ends; `name` is for the log. */
  add(socket: Duplex, name: string, session: Promise<void>): void {
    const ended = session.finally(() => this.#sessions.delete(socket));
    this.#sessions.set(socket, { name, ended });
  }

  /**
   * Cuts all of them, and resolves when what they led to has ended, but no later than after `graceMs`:
   * one that is stuck holds up no end of the daemon.
   */
  async close(graceMs: number): Promise<void> {
    for (const socket of this.#sessions.keys()) socket.destroy();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs);
    const all = [...this.#sessions.values()].map(({ ended }) => ended);
    await Promise.race([Promise.all(all), late]);
    clearTimeout(timer);
    const names = [...this.#sessions.values()].map(({ name }) => name);
    if (names.length > 0) this.#log.warn({ sessions: names }, 'sessions do not end; left alone');
  }
}
