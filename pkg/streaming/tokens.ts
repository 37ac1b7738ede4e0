import { randomBytes } from 'node:crypto';
import { Fault } from '#errors/fault.ts';

const lifetimeMs = 60_000;
const maxPending = 1_000;
/** Nothing else protects a session: 128 bits. */
const tokenBytes = 16;

/**
 * Tokens that stand for what was granted to a client, each good for one use within a minute. `now`
 * gives milliseconds on a clock that does not jump.
 */
export class Tokens<Grant> {
  /** In the order in which they expire. */
  readonly #pending = new Map<string, { readonly grant: Grant; readonly expiresAtMs: number }>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A new token. `resource-exhausted` when too many have not been used. */
  issue(grant: Grant): string {
    this.#forgetExpired();
    if (this.#pending.size >= maxPending) {
      throw new Fault('resource-exhausted', `open a session: ${maxPending} wait for their clients`);
    }
    const token = randomBytes(tokenBytes).toString('base64url');
    this.#pending.set(token, { grant, expiresAtMs: this.#now() + lifetimeMs });
    return token;
  }

  /** What the token stands for, once. */
  take(token: string): Grant | undefined {
    this.#forgetExpired();
    const found = this.#pending.get(token);
    this.#pending.delete(token);
    return found?.grant;
  }

  #forgetExpired(): void {
    for (const [token, { expiresAtMs }] of this.#pending) {
      if (expiresAtMs > this.#now()) return;
      this.#pending.delete(token);
    }
  }
}
