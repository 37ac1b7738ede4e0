import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { History } from './history.ts';
import { annotate, noteProgram, type Span, stage } from './span.ts';
import { type Operation, Tracer } from './tracer.ts';

const ids = (operations: readonly Operation[]) => operations.map(({ id }) => id);

const names = (spans: readonly Span[]): unknown[] =>
  spans.map(({ name, stages }) => (stages.length > 0 ? [name, names(stages)] : name));

it('keeps what an operation consisted of, and what it was about', async () => {
  const tracer = new Tracer();
  await tracer.operation({ id: '1', name: 'StartContainer' }, async () => {
    annotate({ containerId: 'c' });
    await Promise.all([
      stage('network', () => turn()),
      stage('snapshot', async () => {
        await turn();
        return stage('unpack', () => 'result');
      }),
    ]);
    expect(stage('spec', () => 7)).toBe(7);
  });
  const [operation] = tracer.latest();
  expect(operation).toMatchObject({ id: '1', attributes: { containerId: 'c' } });
  expect(names(operation?.stages ?? [])).toEqual(['network', ['snapshot', ['unpack']], 'spec']);
  for (const span of [operation, ...(operation?.stages ?? [])]) {
    expect(span?.durationMs).toBeGreaterThanOrEqual(0);
    expect(Math.abs((span?.startedAtMs ?? 0) - Date.now())).toBeLessThan(10_000);
  }
});

it('goes by the clock, but within one operation not by its jumps', async () => {
  const tracer = new Tracer();
  const hourMs = 3_600_000;
  const real = Date.now;
  try {
    vi.spyOn(Date, 'now').mockImplementation(() => real() + hourMs);
    await tracer.operation({ id: '1', name: 'PullImage' }, async () => {
      vi.spyOn(Date, 'now').mockImplementation(() => real() + 2 * hourMs);
      await stage('resolve', () => turn());
    });
  } finally {
    vi.restoreAllMocks();
  }
  const [operation] = tracer.latest();
  for (const span of [operation, ...(operation?.stages ?? [])]) {
    expect(Math.abs((span?.startedAtMs ?? 0) - real() - hourMs)).toBeLessThan(10_000);
    expect(span?.durationMs).toBeLessThan(10_000);
  }
});

it('keeps two operations apart that run at once', async () => {
  const tracer = new Tracer();
  const run = (id: string, name: 'network' | 'spec') =>
    tracer.operation({ id, name: 'RunPodSandbox' }, async () => {
      await turn();
      await stage(name, () => turn());
    });
  await Promise.all([run('1', 'network'), run('2', 'spec')]);
  const byId = tracer.latest().map(({ id, stages }) => [id, names(stages)]);
  expect(Object.fromEntries(byId)).toEqual({ 1: ['network'], 2: ['spec'] });
});

it('tells of failures, and passes them on as they are', async () => {
  const tracer = new Tracer();
  const error = new Error('act', { cause: new Error('cause') });
  const failing = tracer.operation({ id: '1', name: 'PullImage' }, async () =>
    stage('resolve', async () => {
      await turn();
      throw error;
    }),
  );
  await expect(failing).rejects.toBe(error);
  const failed = { error: 'act: cause' };
  expect(tracer.latest()).toMatchObject([{ ...failed, stages: [{ ...failed }] }]);
  await tracer.operation({ id: '2', name: 'PullImage' }, async () => {
    expect(() =>
      stage('spec', () => {
        throw error;
      }),
    ).toThrow(error);
  });
  expect(tracer.latest()[0]).not.toHaveProperty('error');
});

it('shows what goes on, and on which program it waits', async () => {
  const tracer = new Tracer();
  const program = Promise.withResolvers<void>();
  const running = tracer.operation({ id: '1', name: 'ExecSync' }, () =>
    stage('runtime', () => {
      noteProgram({ pid: 7, path: '/usr/bin/crun' }, program.promise);
      return program.promise;
    }),
  );
  const [shown] = tracer.running();
  expect(shown).not.toHaveProperty('durationMs');
  expect(shown?.stages).toMatchObject([{ name: 'runtime', programs: [{ pid: 7 }] }]);
  program.resolve();
  await running;
  expect(tracer.running()).toEqual([]);
  expect(tracer.latest()[0]?.stages).toMatchObject([{ programs: [] }]);
});

it('tells listeners of each end until they go', async () => {
  const tracer = new Tracer();
  const heard: string[] = [];
  const listening = tracer.onEnd(({ name }) => heard.push(name));
  await tracer.operation({ id: '1', name: 'Version' }, async () => {});
  listening[Symbol.dispose]();
  await tracer.operation({ id: '2', name: 'Status' }, async () => {});
  expect(heard).toEqual(['Version']);
});

it('just runs what belongs to no operation', async () => {
  expect(stage('spec', () => 1)).toBe(1);
  await expect(stage('network', async () => 2)).resolves.toBe(2);
  annotate({ containerId: 'c' });
  noteProgram({ pid: 1, path: 'x' }, Promise.resolve());
});

it('does not let status calls drive out the others, and keeps the slowest', async () => {
  const tracer = new Tracer();
  await tracer.operation({ id: 'rare', name: 'RunPodSandbox' }, async () => {});
  await tracer.operation({ id: 'slow', name: 'ListContainers' }, async () => {
    const until = performance.now() + 20;
    while (performance.now() < until) await turn();
  });
  for (let n = 0; n < 1000; n += 1) {
    await tracer.operation({ id: `${n}`, name: 'ListContainers' }, async () => {});
  }
  expect(ids(tracer.latest()).slice(0, 2)).toEqual(['999', '998']);
  expect(ids(tracer.latest())).toContain('rare');
  expect(tracer.latest().length).toBeLessThan(100);
  // On a busy machine another one may take longer, but not many.
  expect(ids(tracer.slowest())).toContain('slow');
});

it('keeps no more stages than one can read', async () => {
  const tracer = new Tracer();
  await tracer.operation({ id: '1', name: 'PullImage' }, async () => {
    for (let n = 0; n < 10_000; n += 1) stage('unpack', () => {});
  });
  expect(tracer.latest()[0]?.stages.length).toBe(200);
});

it('costs next to nothing', async () => {
  const tracer = new Tracer();
  const count = 20_000;
  const startedAt = performance.now();
  for (let n = 0; n < count; n += 1) {
    await tracer.operation({ id: '1', name: 'ExecSync' }, () => stage('runtime', async () => {}));
  }
  const microseconds = ((performance.now() - startedAt) * 1000) / count;
  // Some 5 where nothing else runs; a pod's start has a dozen stages in 20 ms.
  expect(microseconds).toBeLessThan(100);
});

it('forgets the slowest after an hour', async () => {
  const history = new History();
  const nowMs = performance.timeOrigin + performance.now();
  const operation = (id: string, agoMs: number): Operation => ({
    id,
    name: 'PullImage',
    startedAtMs: nowMs - agoMs,
    durationMs: 1000,
    attributes: {},
    stages: [],
    programs: [],
  });
  history.add(operation('old', 61 * 60_000));
  history.add(operation('new', 59 * 60_000));
  expect(ids(history.slowest())).toEqual(['new']);
  expect(ids(history.latest())).toEqual(['new', 'old']);
});
