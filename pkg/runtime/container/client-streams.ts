import type { Readable, Writable } from 'node:stream';
import type { TerminalSize } from '#linux/pty.ts';

/** The client's ends of the streams of a command, or of a container's own process; absent are those that it does not want. */
export type ClientStreams = {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  /** Stays empty with a terminal: all comes by stdout. */
  readonly stderr: Writable | undefined;
  /** Tells the size of the client's terminal, at first and whenever it changes. */
  readonly onResize: (listener: (size: TerminalSize) => void) => void;
};

/**
 * Passes input on. What nobody takes, or takes any more, is dropped, so that the client is still heard.
 * Input that the client has reset ends; that of a client which has gone is cut off, since the end would
 * have the reader take what it has for all there is.
 */
export function feed(client: Readable | undefined, stdin: Writable | undefined): void {
  if (stdin === undefined) return void client?.resume();
  stdin.on('error', () => {}).on('close', () => client?.resume());
  client?.on('error', () => stdin.end());
  client?.pipe(stdin);
}
