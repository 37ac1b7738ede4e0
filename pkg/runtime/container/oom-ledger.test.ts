import { beforeEach, expect, it } from 'vitest';
import type { Container } from './container.ts';
import { OomLedger } from './oom-ledger.ts';

/** Counters as the kernel keeps them on cgroup v2: a parent's is of all that ever was below it. */
let counters: Map<string, number>;
let containers: Pick<Container, 'cgroupPath'>[];
let ledger: OomLedger;

const pod = '/pods.slice/pod1.slice';
const scope = (name: string) => ({ cgroupPath: `${pod}/gantry-${name}.scope` }) as Container;

function engine() {
  return {
    cgroups: { oomKills: async (path: string) => counters.get(path) ?? 0 },
    containers: { all: () => containers },
  } as unknown as Parameters<OomLedger['open']>[0];
}

function killIn({ cgroupPath }: Container): void {
  for (const path of [cgroupPath, pod]) counters.set(path, (counters.get(path) ?? 0) + 1);
}

function remove({ cgroupPath }: Container): void {
  counters.delete(cgroupPath);
}

beforeEach(() => {
  counters = new Map([[pod, 0]]);
  containers = [scope('a'), scope('b')];
  ledger = new OomLedger();
});

it('knows of kills in a container whose cgroup is gone', async () => {
  await ledger.open(engine(), scope('a'));
  killIn(scope('a'));
  remove(scope('a'));
  expect(await ledger.settle(engine(), scope('a'))).toBe(1);
});

it('knows of kills in a container whose cgroup is there, and counts them once', async () => {
  await ledger.open(engine(), scope('a'));
  killIn(scope('a'));
  expect(await ledger.settle(engine(), scope('a'))).toBe(1);
  remove(scope('a'));
  remove(scope('b'));
  expect(await ledger.settle(engine(), scope('b'))).toBe(0);
});

it('does not take the kills of a neighbour, running or ended, for those of a container', async () => {
  await ledger.open(engine(), scope('a'));
  await ledger.open(engine(), scope('b'));
  killIn(scope('b'));
  remove(scope('a'));
  expect(await ledger.settle(engine(), scope('a'))).toBe(0);
  remove(scope('b'));
  expect(await ledger.settle(engine(), scope('b'))).toBe(1);
});

it('does not take what was before it began to count for new', async () => {
  killIn(scope('b'));
  remove(scope('b'));
  await ledger.open(engine(), scope('a'));
  remove(scope('a'));
  expect(await ledger.settle(engine(), scope('a'))).toBe(0);
});

it('goes by the own counter of what is not of systemd', async () => {
  const container = { cgroupPath: `${pod}/a` } as Container;
  counters.set(container.cgroupPath, 2).set(pod, 7);
  await ledger.open(engine(), container);
  expect(await ledger.settle(engine(), container)).toBe(2);
});
