import { writeSync } from 'node:fs';
import { close } from '#linux/libc.ts';
import type { Socket } from 'node:net';
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import { Fault, isErrno } from '#errors/fault.ts';
import { openThreadPipe, openWakePipe, type ThreadPipe } from '#linux/descriptor-io.ts';
import { fromPlainError } from '#linux/system-thread-message.ts';
import type {
  AttachOrder,
  LeaveReason,
  PumpData,
  PumpOrder,
  PumpReport,
} from './attach-message.ts';

/** Whom to attach, and what for. */
export type AttachWish = Pick<AttachOrder, 'containerId' | 'folder' | 'stdinOnce' | 'input'> & {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
};

/**
 * Our ends of a client's pipes; those that were not wished for are absent. Disposing of it detaches
 * the client.
 */
export type Attached = Disposable & {
  readonly stdin: Socket | undefined;
  readonly stdout: Socket | undefined;
  readonly stderr: Socket | undefined;
  /** Settles when the client is one no more. What was written before can still be read. */
  readonly left: Promise<LeaveReason>;
};

/**
 * Attaches clients to containers, through one thread for all of them: the monitors' sockets are of a
 * kind that Node does not have. The thread is there while it is needed.
 */
export class AttachPump {
  #thread: PumpThread | undefined;
  #isClosed = false;

  /** Resolves when the container's output from now on will come. */
  async attach(wish: AttachWish): Promise<Attached> {
    if (this.#isClosed) throw new Fault('unavailable', 'attach: the daemon is ending');
    if (this.#thread?.isServing !== true) this.#thread = new PumpThread();
    return this.#thread.attach(wish);
  }

  /** Detaches all, and resolves when the thread has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.end();
  }
}

type Client = {
  /** The pump's descriptors: ours to close if it dies without a word about them. */
  readonly fds: readonly (number | undefined)[];
  readonly attached: PromiseWithResolvers<void>;
  readonly left: PromiseWithResolvers<LeaveReason>;
};

/** The thread needs a few MiB; a leak in it shall end it, not the daemon. */
const resourceLimits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4, stackSizeMb: 1 };

/** One worker, from its start to its end. */
class PumpThread {
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #clients = new Map<number, Client>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #worker: Worker;
  #orders = 0;
  #lastClient = 0;
  #failure: unknown;
  isServing = true;

  constructor() {
    const { port1, port2: port } = new MessageChannel();
    const { readFd: wakeFd, writeFd } = openWakePipe();
    this.#port = port1;
    this.#wakeFd = writeFd;
    this.#worker = new Worker(new URL('./attach-pump-worker.ts', import.meta.url), {
      workerData: { port, wakeFd } satisfies PumpData,
      transferList: [port],
      resourceLimits,
      trackUnmanagedFds: false,
    });
    this.#worker.on('error', (error) => {
      this.#failure = error;
    });
    this.#worker.on('exit', () => this.#die());
    this.#port.on('message', (report: PumpReport) => this.#heed(report));
    this.#worker.unref();
    this.#port.unref();
    process.once('exit', this.#sayEnd);
  }

  async attach({ stdin, stdout, stderr, ...wish }: AttachWish): Promise<Attached> {
    const id = (this.#lastClient += 1);
    const pipes = {
      stdin: stdin ? openThreadPipe('in') : undefined,
      stdout: stdout ? openThreadPipe('out') : undefined,
      stderr: stderr ? openThreadPipe('out') : undefined,
    };
    const fds = { stdin: pipes.stdin?.fd, stdout: pipes.stdout?.fd, stderr: pipes.stderr?.fd };
    const client: Client = {
      fds: [...Object.values(fds), wish.input],
      attached: Promise.withResolvers(),
      left: Promise.withResolvers(),
    };
    this.#clients.set(id, client);
    // Who does not wait for it learns of it by the ends of the streams.
    client.left.promise.catch(() => {});
    this.#order({ kind: 'attach', client: id, ...wish, ...fds });
    const session = sessionOf(pipes, client.left.promise);
    try {
      await client.attached.promise;
      return session;
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  async end(): Promise<void> {
    this.#sayEnd();
    this.#worker.ref();
    await this.#ended.promise;
  }

  /** Also at an exit that nobody has planned: Node waits for the thread, which waits in poll(2). */
  readonly #sayEnd = (): void => {
    if (this.isServing) this.#order({ kind: 'end' });
    this.isServing = false;
  };

  #order(order: PumpOrder): void {
    this.#orders += 1;
    this.#port.postMessage(order);
    try {
      writeSync(this.#wakeFd, '\n');
    } catch (error) {
      // It is full of calls to wake up; or the thread is dead, which those who wait are about to hear.
      if (!isErrno(error, 'EAGAIN', 'EPIPE')) throw error;
    }
  }

  #heed(report: PumpReport): void {
    if (report.kind === 'idle') {
      // Nobody waits for its end; an order that is under way to it keeps it.
      if (report.orders === this.#orders) void this.end();
      return;
    }
    const client = this.#clients.get(report.client);
    if (report.kind === 'attached') return client?.attached.resolve();
    this.#clients.delete(report.client);
    if (report.kind === 'left') client?.left.resolve(report.why);
    else client?.attached.reject(fromPlainError(report.error));
  }

  #die(): void {
    this.isServing = false;
    // What it said last may not have been heard yet.
    for (let said = receive(this.#port); said !== undefined; said = receive(this.#port)) {
      this.#heed(said.message);
    }
    process.off('exit', this.#sayEnd);
    close(this.#wakeFd);
    const fault = new Fault('unavailable', 'the thread of attached clients ended', {
      cause: this.#failure,
    });
    for (const { fds, attached, left } of this.#clients.values()) {
      for (const fd of fds) if (fd !== undefined) close(fd);
      attached.reject(fault);
      left.reject(fault);
    }
    this.#clients.clear();
    this.#port.close();
    this.#ended.resolve();
  }
}

function receive(port: MessagePort): { readonly message: PumpReport } | undefined {
  return receiveMessageOnPort(port);
}

type Pipes = { readonly [Name in 'stdin' | 'stdout' | 'stderr']: ThreadPipe | undefined };

function sessionOf({ stdin, stdout, stderr }: Pipes, left: Promise<LeaveReason>): Attached {
  const streams = { stdin: stdin?.stream, stdout: stdout?.stream, stderr: stderr?.stream };
  return {
    ...streams,
    left,
    [Symbol.dispose]: () => {
      for (const stream of Object.values(streams)) stream?.destroy();
    },
  };
}
