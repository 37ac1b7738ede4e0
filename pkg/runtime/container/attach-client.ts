import { readFrom, writeTo } from '#linux/descriptor-io.ts';
import { close } from '#linux/libc.ts';
import { type Poller, POLLIN, POLLOUT } from '#linux/poller.ts';
import type { AttachOrder } from './attach-message.ts';

/** What the monitor's connection does for its clients. */
export type AttachHost = {
  /** Whether the monitor has room for input. Another client may have taken it in the same turn. */
  readonly canTakeInput: () => boolean;
  /** Gets what a client has typed: at most as much as the monitor takes in one packet. */
  readonly onInput: (bytes: Buffer) => void;
  readonly onInputEnd: () => void;
  readonly onGone: (client: AttachClient) => void;
};

/** Output that a client had no room for. */
type Rest = { readonly fd: number; readonly bytes: Buffer };

/**
 * One client: the pump's ends of its pipes. It holds at most one packet that did not fit into them;
 * until that is taken, it is `holding`, and nothing more is to be given to it.
 */
export class AttachClient {
  readonly id: number;
  readonly #host: AttachHost;
  #stdin: number | undefined;
  #outputs: { stdout: number | undefined; stderr: number | undefined };
  #rest: Rest | undefined;
  #heldSinceMs = 0;

  constructor({ client, stdin, stdout, stderr }: AttachOrder, host: AttachHost) {
    this.id = client;
    this.#host = host;
    this.#stdin = stdin;
    this.#outputs = { stdout, stderr };
  }

  get isHolding(): boolean {
    return this.#rest !== undefined;
  }

  /** Since when it has taken nothing, though there is something; in milliseconds of performance.now(). */
  get heldSinceMs(): number {
    return this.isHolding ? this.#heldSinceMs : Infinity;
  }

  /** Registers what is waited for: its input only while that can be passed on. */
  watch(poller: Poller): void {
    if (this.#stdin !== undefined && this.#host.canTakeInput()) {
      poller.watch(this.#stdin, POLLIN, this.#onStdin);
    }
    for (const fd of [this.#outputs.stdout, this.#outputs.stderr]) {
      // Without room wanted, it is told of all the same when nobody reads the pipe any more.
      if (fd !== undefined) poller.watch(fd, this.#rest?.fd === fd ? POLLOUT : 0, this.#onOutput);
    }
  }

  /** Passes on output, as much as there is room for. Not to be called while it is holding. */
  give(stream: 'stdout' | 'stderr', bytes: Buffer): void {
    const fd = this.#outputs[stream];
    if (fd !== undefined) this.#write({ fd, bytes });
  }

  /** Closes all of its pipes: the client finds the end behind what it has not read yet. */
  close(): void {
    this.#closeOutputs();
    this.#closeStdin();
  }

  #write({ fd, bytes }: Rest): void {
    const count = writeTo(fd, bytes);
    if (count === undefined) return this.#leave();
    // The buffer is used again for the next packet.
    const isNew = this.#rest?.bytes !== bytes;
    const left = bytes.subarray(count);
    if (isNew || count > 0) this.#heldSinceMs = performance.now();
    this.#rest = left.length === 0 ? undefined : { fd, bytes: isNew ? Buffer.from(left) : left };
  }

  readonly #onOutput = (events: number): void => {
    if ((events & ~POLLOUT) !== 0) this.#leave();
    else if (this.#rest !== undefined) this.#write(this.#rest);
  };

  /** What it had typed before it went is still passed on. */
  #leave(): void {
    this.#closeOutputs();
    if (this.#stdin === undefined) this.#host.onGone(this);
  }

  readonly #onStdin = (): void => {
    if (this.#stdin === undefined || !this.#host.canTakeInput()) return;
    const count = readFrom(this.#stdin, inputBuffer);
    if (count === undefined) return;
    if (count > 0) return this.#host.onInput(inputBuffer.subarray(0, count));
    this.#closeStdin();
    this.#host.onInputEnd();
    const { stdout, stderr } = this.#outputs;
    if (stdout === undefined && stderr === undefined) this.#host.onGone(this);
  };

  #closeStdin(): void {
    if (this.#stdin !== undefined) close(this.#stdin);
    this.#stdin = undefined;
  }

  #closeOutputs(): void {
    const { stdout, stderr } = this.#outputs;
    if (stdout !== undefined) close(stdout);
    if (stderr !== undefined) close(stderr);
    this.#outputs = { stdout: undefined, stderr: undefined };
    this.#rest = undefined;
  }
}

/** conmon reads as much at a time; of a longer packet it loses the rest (CONN_SOCK_BUF_SIZE). */
const inputBuffer = Buffer.alloc(32 * 1024);
