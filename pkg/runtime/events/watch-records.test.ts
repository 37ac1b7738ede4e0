import { beforeEach, expect, it } from 'vitest';
import type { Container } from '#runtime/container/container.ts';
import type { Engine } from '#runtime/engine.ts';
import { Registry } from '#runtime/registry.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { openDatabase } from '#store/database.ts';
import { RecordTable } from '#store/record-table.ts';
import { EventLog } from './event-log.ts';
import { watchRecords } from './watch-records.ts';

let engine: Pick<Engine, 'sandboxes' | 'containers' | 'events'>;

beforeEach(() => {
  const database = openDatabase(':memory:');
  engine = {
    sandboxes: new Registry('sandbox', new RecordTable<Sandbox>(database, 's', []), ({ id }) => id),
    containers: new Registry(
      'container',
      new RecordTable<Container>(database, 'c', []),
      ({ id }) => id,
    ),
    events: new EventLog(),
  };
  watchRecords(engine as Engine);
});

function putSandbox(state: Sandbox['state']): Sandbox {
  const sandbox = { id: 'pod', state } as Sandbox;
  engine.sandboxes.put(sandbox);
  return sandbox;
}

function putContainer(id: string, kind: Container['state']['kind']): Container {
  const container = { id, sandboxId: 'pod', state: { kind } } as Container;
  engine.containers.put(container);
  return container;
}

/** As `started web`, each with how many containers there were. */
function told(): string[] {
  return engine.events
    .recent()
    .map(
      ({ kind, container, containers }) => `${kind} ${container?.id ?? 'pod'} ${containers.length}`,
    );
}

it('a sandbox has stopped when its last container has', () => {
  for (const state of ['creating', 'ready'] as const) putSandbox(state);
  for (const id of ['one', 'two']) {
    for (const kind of ['creating', 'created', 'starting', 'running'] as const)
      putContainer(id, kind);
  }
  putSandbox('stopped');
  expect(told().at(-1)).toBe('started two 2');
  putContainer('one', 'exited');
  expect(told().at(-1)).toBe('stopped one 2');
  const two = putContainer('two', 'exited');
  expect(told().slice(-2)).toEqual(['stopped two 2', 'stopped pod 2']);
  engine.containers.delete(two);
  expect(told().at(-1)).toBe('deleted two 1');
  // As when an earlier stop is repeated.
  const sandbox = putSandbox('stopped');
  engine.containers.delete(putContainer('one', 'exited'));
  engine.sandboxes.delete(sandbox);
  expect(told().slice(-2)).toEqual(['deleted one 0', 'deleted pod 0']);
});

it('what fails to start is created and stopped, and what fails to be made was never there', () => {
  for (const state of ['creating', 'ready'] as const) putSandbox(state);
  for (const kind of ['creating', 'created', 'starting', 'exited'] as const) {
    putContainer('one', kind);
  }
  engine.containers.delete(putContainer('two', 'creating'));
  expect(told()).toEqual(['created pod 0', 'started pod 0', 'created one 1', 'stopped one 1']);
});
