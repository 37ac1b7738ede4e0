import { check, lastError, poll } from './libc.ts';

// <poll.h>
export const POLLIN = 0x01;
export const POLLOUT = 0x04;

const entryBytes = 8;

/** Gets the events that a descriptor has, errors and hang-ups among them: revents of poll(2). */
export type PollListener = (events: number) => void;

/** Waits for descriptors that Node knows no way to wait for. Blocks the thread: not for the main one. */
export class Poller {
  /** struct pollfd: the descriptor, the events that are wanted, those that are there. */
  #entries = Buffer.alloc(16 * entryBytes);
  #listeners: PollListener[] = [];

  /** Adds a descriptor to the next turn. Errors and hang-ups are told of whatever is wanted. */
  watch(fd: number, wanted: number, listener: PollListener): void {
    const offset = this.#listeners.push(listener) * entryBytes - entryBytes;
    if (offset === this.#entries.length) {
      this.#entries = Buffer.concat([this.#entries], 2 * this.#entries.length);
    }
    this.#entries.writeInt32LE(fd, offset);
    this.#entries.writeInt16LE(wanted, offset + 4);
    this.#entries.writeInt16LE(0, offset + 6);
  }

  /**
   * Waits until something is the matter with a descriptor, or `timeoutMs` have passed (-1: for ever);
   * calls the listeners and forgets all descriptors.
   */
  turn(timeoutMs: number): void {
    const [entries, listeners] = [this.#entries, this.#listeners];
    this.#listeners = [];
    const count = poll(entries, listeners.length, timeoutMs);
    if (count < 0 && lastError() !== 'EINTR') check(count, 'poll', `${listeners.length}`);
    if (count <= 0) return;
    for (const [n, listener] of listeners.entries()) {
      const events = entries.readInt16LE(n * entryBytes + 6);
      if (events !== 0) listener(events);
    }
  }
}
