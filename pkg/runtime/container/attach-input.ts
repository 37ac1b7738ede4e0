import { sendTo, writeTo } from '#linux/descriptor-io.ts';
import { close } from '#linux/libc.ts';
import { type Poller, POLLOUT } from '#linux/poller.ts';

/**
 * Where a container's input goes: into its pipe or, where it has a terminal, to the monitor, which holds
 * that. It takes what it has room for and keeps at most what it was given once.
 *
 * conmon would write to the pipe as well, but when the container has closed its end, conmon tries that
 * again and again, without a pause.
 */
export class AttachInput {
  readonly #send: (bytes: Buffer) => number | undefined;
  readonly #fd: number;
  readonly #isPipe: boolean;
  #pending: Buffer | undefined;
  #isOpen = true;

  /** The pipe is closed in the end; the monitor's connection is its owner's. */
  constructor(pipeFd: number | undefined, monitorFd: number) {
    this.#isPipe = pipeFd !== undefined;
    this.#fd = pipeFd ?? monitorFd;
    this.#send = (bytes) => (this.#isPipe ? writeTo : sendTo)(this.#fd, bytes);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether there is something that there was no room for. */
  get isFull(): boolean {
    return this.#pending !== undefined;
  }

  watch(poller: Poller): void {
    if (this.#pending !== undefined) poller.watch(this.#fd, POLLOUT, this.#onRoom);
  }

  /** Not to be called while it is full. Drops the bytes when nobody reads them any more. */
  give(bytes: Buffer): void {
    if (this.#isOpen) this.#write(bytes);
  }

  close(): void {
    if (this.#isOpen && this.#isPipe) close(this.#fd);
    this.#isOpen = false;
    this.#pending = undefined;
  }

  readonly #onRoom = (): void => {
    if (this.#pending !== undefined) this.#write(this.#pending);
  };

  #write(bytes: Buffer): void {
    const count = this.#send(bytes);
    if (count === undefined) return this.close();
    const left = bytes.subarray(count);
    if (left.length === 0) this.#pending = undefined;
    // What was given is in a buffer that is used again.
    else this.#pending = this.#pending === bytes ? left : Buffer.from(left);
  }
}
