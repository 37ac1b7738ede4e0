import { receiveFrom, sendTo } from '#linux/descriptor-io.ts';
import { close, shutdown } from '#linux/libc.ts';
import { type Poller, POLLIN, POLLOUT } from '#linux/poller.ts';
import { AttachClient, type AttachHost } from './attach-client.ts';
import type { AttachOrder, LeaveReason } from './attach-message.ts';

/** How long a connection without clients waits for the container to write something. */
const lingerMs = 10 * 60_000;
/** Packets that are passed on before others get their turn. */
const maxBurst = 16;
const SHUT_WR = 1;

/** conmon marks each packet with where it comes from. */
const stderrMark = 3;

export type LineEvents = {
  readonly onLeave: (client: number, why: LeaveReason) => void;
  readonly onClose: (line: AttachLine) => void;
};

/**
 * The connection to one container's monitor, which all of its clients share.
 *
 * conmon waits for a connection that does not read, and with it the container's output, its log and
 * all others wait: so this reads, or cuts off the client that holds it up. And conmon takes the end of
 * any connection for the end of the container's stdin where that ends with its first client, and it
 * frees a connection that has ended only with the container's next output: so the connection outlives
 * its clients until that output, or, while a first client's stdin is yet to come, the container.
 */
export class AttachLine {
  readonly containerId: string;
  readonly #fd: number;
  readonly #events: LineEvents;
  readonly #endsStdin: boolean;
  readonly #clients = new Set<AttachClient>();
  /** A packet that the monitor had no room for. */
  #input: Buffer | undefined;
  #isStdinOpen = true;
  #isOpen = true;
  #lingersUntilMs = Infinity;

  constructor(fd: number, { containerId, stdinOnce }: AttachOrder, events: LineEvents) {
    this.containerId = containerId;
    this.#fd = fd;
    this.#events = events;
    this.#endsStdin = stdinOnce;
  }

  add(order: AttachOrder): void {
    this.#clients.add(new AttachClient(order, this.#host));
    this.#lingersUntilMs = Infinity;
  }

  /** Registers what is waited for. */
  watch(poller: Poller): void {
    const wanted = (this.#isHeldUp() ? 0 : POLLIN) | (this.#input === undefined ? 0 : POLLOUT);
    // A hang-up is told of at every turn, so it must not be asked for before it can be dealt with.
    if (wanted !== 0) poller.watch(this.#fd, wanted, this.#onMonitor);
    for (const client of this.#clients) client.watch(poller);
  }

  /** When something is to be done even if nothing happens. */
  get dueAtMs(): number {
    return Math.min(this.#lingersUntilMs, ...[...this.#clients].map((it) => it.stalledAtMs));
  }

  /** Does what is due: cuts off clients that do not read, and a connection that nobody uses. */
  attend(nowMs: number): void {
    for (const client of this.#clients) {
      if (client.stalledAtMs <= nowMs) this.#drop(client, 'stalled');
    }
    if (this.#lingersUntilMs <= nowMs) this.close();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const client of this.#clients) this.#drop(client, 'ended');
    close(this.#fd);
    this.#events.onClose(this);
  }

  readonly #host: AttachHost = {
    canTakeInput: () => this.#input === undefined,
    onInput: (bytes) => {
      if (this.#isStdinOpen) this.#send(bytes);
    },
    onInputEnd: () => {
      if (!this.#endsStdin || !this.#isStdinOpen) return;
      this.#isStdinOpen = false;
      shutdown(this.#fd, SHUT_WR);
    },
    onGone: (client) => this.#drop(client, 'gone'),
  };

  readonly #onMonitor = (events: number): void => {
    if (this.#input !== undefined && (events & ~POLLIN) !== 0) this.#send(this.#input);
    if ((events & ~POLLOUT) === 0) return;
    for (let n = 0; n < maxBurst && this.#isOpen && !this.#isHeldUp(); n++) {
      const count = receiveFrom(this.#fd, outputBuffer);
      if (count === undefined) return;
      if (count === 0) return this.close();
      this.#passOn(
        outputBuffer[0] === stderrMark ? 'stderr' : 'stdout',
        outputBuffer.subarray(1, count),
      );
    }
  };

  #passOn(stream: 'stdout' | 'stderr', bytes: Buffer): void {
    for (const client of this.#clients) client.give(stream, bytes);
    // From now on the monitor notices that the connection has ended.
    if (this.#lingersUntilMs !== Infinity) this.close();
  }

  #send(bytes: Buffer): void {
    const count = sendTo(this.#fd, bytes);
    // The monitor is gone: the end of its output follows.
    if (count === undefined) this.#isStdinOpen = false;
    if (count !== 0) this.#input = undefined;
    else if (this.#input !== bytes) this.#input = Buffer.from(bytes);
  }

  #isHeldUp(): boolean {
    for (const client of this.#clients) if (client.isHolding) return true;
    return false;
  }

  #drop(client: AttachClient, why: LeaveReason): void {
    if (!this.#clients.delete(client)) return;
    client.close();
    this.#events.onLeave(client.id, why);
    const mustStay = this.#endsStdin && this.#isStdinOpen;
    if (this.#clients.size === 0 && !mustStay) this.#lingersUntilMs = performance.now() + lingerMs;
  }
}

/** More than a packet of conmon's, 8 KiB and the mark. */
const outputBuffer = Buffer.alloc(64 * 1024);
