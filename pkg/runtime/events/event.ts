import type { UnixNanos } from '#runtime/clock.ts';
import type { Container } from '#runtime/container/container.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';

/** What became of a container, or of a sandbox. */
export type EventKind = 'created' | 'started' | 'stopped' | 'deleted';

/** Something that happened, with what it happened to as it was right after. */
export type LifeEvent = {
  /** One more than that of the event before; from 1 on at each start of the daemon. */
  readonly sequence: number;
  readonly at: UnixNanos;
  readonly kind: EventKind;
  /** The container; absent when it is the sandbox itself. */
  readonly container?: Container;
  /** Absent when its record was lost. */
  readonly sandbox: Sandbox | undefined;
  /** All containers of the sandbox that are there. */
  readonly containers: readonly Container[];
};

/** How far a container or a sandbox has come; nobody is told of what is being made. */
const stages = {
  creating: 0,
  created: 1,
  starting: 1,
  running: 2,
  exited: 3,
  // Of sandboxes: they run as soon as they are there.
  ready: 2,
  stopped: 3,
} as const satisfies Record<Container['state']['kind'] | Sandbox['state'], number>;

type State = keyof typeof stages;

/** What there is to tell of a change; `before` is absent for what is new, `after` for what is gone. */
export function eventKinds(before: State | undefined, after: State | undefined): EventKind[] {
  const from = before === undefined ? 0 : stages[before];
  if (after === undefined) return from === 0 ? [] : ['deleted'];
  const to = stages[after];
  return [
    ...(from < 1 && to >= 1 ? (['created'] as const) : []),
    // What failed to start never ran.
    ...(from < 2 && to === 2 ? (['started'] as const) : []),
    ...(from < 3 && to === 3 ? (['stopped'] as const) : []),
  ];
}
