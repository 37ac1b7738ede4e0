import type { Duplex, Readable, Writable } from 'node:stream';

/** What a client may ask for with one token. */
export type StreamRequest = ExecRequest | PortForwardRequest;

export type ExecRequest = {
  readonly kind: 'exec';
  readonly containerId: string;
  readonly command: readonly string[];
  readonly hasTerminal: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
};

export type PortForwardRequest = { readonly kind: 'portforward'; readonly sandboxId: string };

/** In characters. */
export type TerminalSize = { readonly columns: number; readonly rows: number };

/** The client's ends of a process's streams; those that it did not ask for are absent. */
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
  /** A connection to a port of a pod's loopback, of which either half may end first. */
  readonly connect: (sandboxId: string, port: number) => Promise<Duplex>;
};
