import { expect, it, vi } from 'vitest';
import { eventKinds, type LifeEvent } from './event.ts';
import { EventLog } from './event-log.ts';

function publish(log: EventLog, count = 1): void {
  for (let made = 0; made < count; made += 1) {
    log.publish({ kind: 'created', sandbox: undefined, containers: [] });
  }
}

/** The sequences of the next events. */
async function take(events: AsyncGenerator<LifeEvent>, count: number): Promise<number[]> {
  const sequences: number[] = [];
  while (sequences.length < count) {
    const { value } = await events.next();
    if (value !== undefined) sequences.push(value.sequence);
  }
  return sequences;
}

it('EventLog tells each follower all, in order', async () => {
  const log = new EventLog();
  const stop = new AbortController();
  const followers = [log.follow(stop), log.follow(stop, { after: 0 })];
  const taken = followers.map((events) => take(events, 3));
  publish(log, 3);
  expect(await Promise.all(taken)).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ]);
  stop.abort();
  for (const events of followers) expect(await events.next()).toMatchObject({ done: true });
});

it('EventLog cuts off who falls behind, at once and with an error, and nobody else', async () => {
  const log = new EventLog();
  const [slow, quick] = [new AbortController(), new AbortController()];
  const behind = log.follow(slow, { after: 0 });
  const onTime = log.follow(quick, { after: 0 });
  publish(log);
  expect(await take(behind, 1)).toEqual([1]);
  expect(await take(onTime, 1)).toEqual([1]);
  publish(log, 600);
  expect(await take(onTime, 600)).toHaveLength(600);
  publish(log, 401);
  expect(slow.signal.reason).toMatchObject({ code: 'resource-exhausted' });
  await expect(behind.next()).rejects.toMatchObject({ code: 'resource-exhausted' });
  expect((await take(onTime, 401)).at(-1)).toBe(1002);
  quick.abort();
});

it('EventLog keeps the latest events for a while', () => {
  vi.useFakeTimers();
  try {
    const log = new EventLog();
    publish(log, 300);
    expect(log.recent()).toHaveLength(250);
    expect(log.recent().at(-1)?.sequence).toBe(300);
    vi.advanceTimersByTime(6 * 60 * 1000);
    publish(log);
    expect(log.recent().map(({ sequence }) => sequence)).toEqual([301]);
  } finally {
    vi.useRealTimers();
  }
});

it('EventLog lets clients take turns without a gap', async () => {
  const log = new EventLog();
  publish(log, 2);
  const first = log.followOn(new AbortController());
  expect(await take(first, 2)).toEqual([1, 2]);
  // It is told when the next one is asked for.
  const stopped = first.next();
  publish(log);
  expect(await stopped).toMatchObject({ value: { sequence: 3 } });
  await first.return();
  publish(log);
  expect(await take(log.followOn(new AbortController()), 2)).toEqual([3, 4]);
});

it('eventKinds are those of each step, and of steps that are left out', () => {
  expect(eventKinds(undefined, 'creating')).toEqual([]);
  expect(eventKinds('creating', 'created')).toEqual(['created']);
  expect(eventKinds('created', 'starting')).toEqual([]);
  expect(eventKinds('starting', 'running')).toEqual(['started']);
  expect(eventKinds('starting', 'exited')).toEqual(['stopped']);
  expect(eventKinds('running', 'exited')).toEqual(['stopped']);
  expect(eventKinds('exited', undefined)).toEqual(['deleted']);
  expect(eventKinds('creating', undefined)).toEqual([]);
  expect(eventKinds('creating', 'ready')).toEqual(['created', 'started']);
  expect(eventKinds('creating', 'stopped')).toEqual(['created', 'stopped']);
  expect(eventKinds('ready', 'ready')).toEqual([]);
});
