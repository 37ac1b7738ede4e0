import type { MessagePort } from 'node:worker_threads';
import type { PlainError } from '#linux/system-thread-message.ts';

/** One client of a container's own process, as the pump knows it. The descriptors are the pump's. */
export type AttachOrder = {
  readonly client: number;
  readonly containerId: string;
  /** Where the monitor's socket is, named `attach`. */
  readonly folder: string;
  /** Ends of pipes; those that the client did not ask for are absent. */
  readonly stdin: number | undefined;
  readonly stdout: number | undefined;
  readonly stderr: number | undefined;
  /** The container's stdin, if it is a pipe; else the monitor takes input. */
  readonly input: number | undefined;
  /** Whether the container's stdin ends with the first client's. */
  readonly stdinOnce: boolean;
};

export type PumpOrder = ({ readonly kind: 'attach' } & AttachOrder) | { readonly kind: 'end' };

/** Why a client is one no more: it went; the container's process ended; it did not read. */
export type LeaveReason = 'gone' | 'ended' | 'stalled';

export type PumpReport =
  | { readonly kind: 'attached'; readonly client: number }
  | { readonly kind: 'refused'; readonly client: number; readonly error: PlainError }
  | { readonly kind: 'left'; readonly client: number; readonly why: LeaveReason }
  /** Nothing was left to do for a while, after so many orders. */
  | { readonly kind: 'idle'; readonly orders: number };

/** What the thread is given: where orders come and reports go, and what wakes it up for them. */
export type PumpData = { readonly port: MessagePort; readonly wakeFd: number };
