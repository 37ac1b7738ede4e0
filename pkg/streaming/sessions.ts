import type { Duplex, Readable, Writable } from 'node:stream';

/** What a client may ask for with one token. */
export type StreamRequest = ExecRequest | AttachRequest | PortForwardRequest;

/** Which streams of a process a client wants; with a terminal, its size as well. */
export type WantedStreams = {
  readonly hasTerminal: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
};

export type ExecRequest = WantedStreams & {
  readonly kind: 'exec';
  readonly containerId: string;
  readonly command: readonly string[];
};

export type AttachRequest = WantedStreams & {
  readonly kind: 'attach';
  readonly containerId: string;
};

export type PortForwardRequest = {
  readonly kind: 'portforward';
  readonly sandboxId: string;
  /** For clients that name none themselves. */
  readonly ports: readonly number[];
};

/** What is asked for and of whom, in a few words. */
export function nameOf(request: StreamRequest): string {
  const of = request.kind === 'portforward' ? request.sandboxId : request.containerId;
  return `${request.kind} ${of}`;
}

/** In characters. */
export type TerminalSize = { readonly columns: number; readonly rows: number };

/**
 * The client's ends of a process's streams; those that it did not ask for are absent. Whatever is
 * spoken on the connection, they are alike: reading from one that is paused stops at the client, a
 * write waits for the client to read, and all are destroyed when the client goes. `stdin` ends when
 * the client says so, where the protocol has words for that; one that the client resets alone is
 * destroyed with an error.
 */
export type ProcessStreams = {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly onResize: (listener: (size: TerminalSize) => void) => void;
};

/** What the sessions lead to. */
export type Targets = {
  /** Runs a command to its end and returns its exit code. The signal is aborted when the client goes. */
  readonly exec: (
    request: ExecRequest,
    streams: ProcessStreams,
    signal: AbortSignal,
  ) => Promise<number>;
  /**
   * Carries the streams of a container's own process until that ends, or until the signal is aborted
   * since the client has gone; the container does not notice.
   */
  readonly attach: (
    request: AttachRequest,
    streams: ProcessStreams,
    signal: AbortSignal,
  ) => Promise<void>;
  /** A connection to a port of a pod's loopback, of which either half may end first. */
  readonly connect: (sandboxId: string, port: number) => Promise<Duplex>;
};
