import type { EventKind, LifeEvent } from '#runtime/events/event.ts';
import { timestamp } from './pod-json.ts';

/** Something that happened to a pod or a container, as this endpoint tells of it. */
export type EventView = {
  /** Grows by one from event to event; begins anew with the daemon. */
  readonly sequence: number;
  /** RFC 3339. */
  readonly at: string;
  readonly kind: EventKind;
  /** Absent when its record was lost. */
  readonly pod?: { readonly id: string; readonly namespace: string; readonly name: string };
  /** Absent when it happened to the pod itself. */
  readonly container?: {
    readonly id: string;
    readonly name: string;
    readonly exitCode?: number;
    readonly reason?: string;
  };
};

export function eventView({ sequence, at, kind, sandbox, container }: LifeEvent): EventView {
  return {
    sequence,
    at: timestamp(at),
    kind,
    ...(sandbox && { pod: podOf(sandbox) }),
    ...(container && { container: containerOf(container) }),
  };
}

function podOf({ id, config }: NonNullable<LifeEvent['sandbox']>) {
  const { namespace, name } = config.metadata;
  return { id, namespace, name };
}

function containerOf({ id, config, state }: NonNullable<LifeEvent['container']>) {
  const { name } = config.metadata;
  return state.kind === 'exited'
    ? { id, name, exitCode: state.exitCode, reason: state.reason }
    : { id, name };
}
