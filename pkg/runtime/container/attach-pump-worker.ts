import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { connectPackets, readFrom } from '#linux/descriptor-io.ts';
import { close } from '#linux/libc.ts';
import { Poller, POLLIN } from '#linux/poller.ts';
import { toPlainError } from '#linux/system-thread-message.ts';
import { AttachLine, type LineEvents } from './attach-line.ts';
import type { AttachOrder, PumpData, PumpOrder, PumpReport } from './attach-message.ts';

/** Until a monitor that is too busy for a connection is asked again. */
const retryMs = 10;
/** How long the thread waits for something to do before it says that there is nothing. */
const idleMs = 15_000;

/** Passes bytes on between monitors and pipes, until it is told to end. It never blocks but in poll(2). */
class AttachPumpLoop {
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #poller = new Poller();
  readonly #lines = new Map<string, AttachLine>();
  /** Whose monitor could not be connected to yet. */
  #waiting: AttachOrder[] = [];
  #orders = 0;
  #isEnding = false;
  #idleSinceMs: number | undefined;

  constructor({ port, wakeFd }: PumpData) {
    this.#port = port;
    this.#wakeFd = wakeFd;
  }

  run(): void {
    try {
      while (!this.#isEnding) this.#turn();
    } finally {
      // An open connection that nobody reads would stop its container.
      for (const line of this.#lines.values()) line.close();
      close(this.#wakeFd);
      this.#port.close();
    }
  }

  #turn(): void {
    this.#poller.watch(this.#wakeFd, POLLIN, this.#onWake);
    for (const line of this.#lines.values()) line.watch(this.#poller);
    this.#poller.turn(this.#timeoutMs());
    for (const order of this.#waiting.splice(0)) this.#attach(order);
    const nowMs = performance.now();
    for (const line of this.#lines.values()) line.attend(nowMs);
    this.#mindIdleness(nowMs);
  }

  #timeoutMs(): number {
    if (this.#waiting.length > 0) return retryMs;
    const idleAtMs = this.#idleSinceMs === undefined ? Infinity : this.#idleSinceMs + idleMs;
    const dueAtMs = Math.min(idleAtMs, ...[...this.#lines.values()].map((line) => line.dueAtMs));
    if (dueAtMs === Infinity) return -1;
    return Math.max(0, Math.ceil(dueAtMs - performance.now()));
  }

  readonly #onWake = (): void => {
    // The bytes say nothing; all of them are taken, since each woke us up for orders that are there.
    while ((readFrom(this.#wakeFd, wakeBuffer) ?? 0) > 0);
    for (;;) {
      const received: { message: PumpOrder } | undefined = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#obey(received.message);
    }
  };

  #obey(order: PumpOrder): void {
    this.#orders += 1;
    if (order.kind === 'end') this.#isEnding = true;
    else this.#attach(order);
  }

  #attach(order: AttachOrder): void {
    try {
      const line = this.#lines.get(order.containerId) ?? this.#connect(order);
      if (line === undefined) return void this.#waiting.push(order);
      line.add(order);
      this.#report({ kind: 'attached', client: order.client });
    } catch (error) {
      for (const fd of [order.stdin, order.stdout, order.stderr, order.input]) {
        if (fd !== undefined) close(fd);
      }
      this.#report({ kind: 'refused', client: order.client, error: toPlainError(error) });
    }
  }

  #connect(order: AttachOrder): AttachLine | undefined {
    const fd = connectPackets(order.folder, 'attach');
    if (fd === undefined) return undefined;
    const line = new AttachLine(fd, order, this.#events);
    this.#lines.set(order.containerId, line);
    return line;
  }

  readonly #events: LineEvents = {
    onLeave: (client, why) => this.#report({ kind: 'left', client, why }),
    onClose: ({ containerId }) => this.#lines.delete(containerId),
  };

  #mindIdleness(nowMs: number): void {
    if (this.#lines.size > 0 || this.#waiting.length > 0) this.#idleSinceMs = undefined;
    else this.#idleSinceMs ??= nowMs;
    if (this.#idleSinceMs === undefined || nowMs < this.#idleSinceMs + idleMs) return;
    this.#idleSinceMs = nowMs;
    this.#report({ kind: 'idle', orders: this.#orders });
  }

  #report(report: PumpReport): void {
    this.#port.postMessage(report);
  }
}

const wakeBuffer = Buffer.alloc(64);

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what AttachPump gives
new AttachPumpLoop(workerData as PumpData).run();
