import { receiveFrom } from '#linux/descriptor-io.ts';
import { close, shutdown } from '#linux/libc.ts';
import { type Poller, POLLIN } from '#linux/poller.ts';
import { AttachClient, type AttachHost } from './attach-client.ts';
import { AttachInput } from './attach-input.ts';
import type { AttachOrder, LeaveReason } from './attach-message.ts';

/** How long a client may take nothing while the container and its other clients wait for it. */
const stallMs = 3_000;
/** After one was cut off, others have to be quicker for a while, since they often stop together. */
const nextStallMs = 250;
const wearyMs = 10_000;
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
  #input: AttachInput | undefined;
  #hasStdinEnded = false;
  #isOpen = true;
  #lingersUntilMs = Infinity;
  #cutOffAtMs = -Infinity;

  constructor(fd: number, { containerId, stdinOnce }: AttachOrder, events: LineEvents) {
    this.containerId = containerId;
    this.#fd = fd;
    this.#events = events;
    this.#endsStdin = stdinOnce;
  }

  add(order: AttachOrder): void {
    if (order.stdin !== undefined) this.#openInput(order.input);
    this.#clients.add(new AttachClient(order, this.#host));
    this.#lingersUntilMs = Infinity;
  }

  /** Registers what is waited for. */
  watch(poller: Poller): void {
    // A hang-up is told of at every turn, so it must not be asked for before it can be dealt with.
    if (!this.#isHeldUp()) poller.watch(this.#fd, POLLIN, this.#onMonitor);
    this.#input?.watch(poller);
    for (const client of this.#clients) client.watch(poller);
  }

  /** When something is to be done even if nothing happens. */
  get dueAtMs(): number {
    const heldSinceMs = Math.min(...[...this.#clients].map((it) => it.heldSinceMs));
    return Math.min(this.#lingersUntilMs, heldSinceMs + this.#patienceMs());
  }

  /** Does what is due: cuts off clients that do not read, and a connection that nobody uses. */
  attend(nowMs: number): void {
    const patienceMs = this.#patienceMs();
    for (const client of this.#clients) {
      if (client.heldSinceMs + patienceMs > nowMs) continue;
      this.#cutOffAtMs = nowMs;
      this.#drop(client, 'stalled');
    }
    if (this.#lingersUntilMs <= nowMs) this.close();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const client of this.#clients) this.#drop(client, 'ended');
    this.#input?.close();
    close(this.#fd);
    this.#events.onClose(this);
  }

  readonly #host: AttachHost = {
    canTakeInput: () => this.#input?.isFull !== true,
    onInput: (bytes) => this.#input?.give(bytes),
    onInputEnd: () => {
      if (this.#endsStdin) this.#endStdin();
    },
    onGone: (client) => this.#drop(client, 'gone'),
  };

  #openInput(pipeFd: number | undefined): void {
    const isWanted = !this.#hasStdinEnded && this.#input?.isOpen !== true;
    if (isWanted) this.#input = new AttachInput(pipeFd, this.#fd);
    else if (pipeFd !== undefined) close(pipeFd);
  }

  /** conmon closes its end as well: then the container finds the end. */
  #endStdin(): void {
    this.#hasStdinEnded = true;
    this.#input?.close();
    shutdown(this.#fd, SHUT_WR);
  }

  readonly #onMonitor = (): void => {
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

  #patienceMs(): number {
    return performance.now() < this.#cutOffAtMs + wearyMs ? nextStallMs : stallMs;
  }

  #isHeldUp(): boolean {
    for (const client of this.#clients) if (client.isHolding) return true;
    return false;
  }

  #drop(client: AttachClient, why: LeaveReason): void {
    if (!this.#clients.delete(client)) return;
    client.close();
    this.#events.onLeave(client.id, why);
    const mustStay = this.#endsStdin && !this.#hasStdinEnded;
    if (this.#clients.size === 0 && !mustStay) this.#lingersUntilMs = performance.now() + lingerMs;
  }
}

/** More than a packet of conmon's, 8 KiB and the mark. */
const outputBuffer = Buffer.alloc(64 * 1024);
