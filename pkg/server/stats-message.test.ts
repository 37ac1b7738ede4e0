import { join } from 'node:path';
import { openCgroupfs } from 'cgroupfs-ts';
import { expect, it } from 'vitest';
import { EventLog } from '#runtime/events/event-log.ts';
import { StatsReaders } from '#runtime/stats/stats-readers.ts';
import { messageType } from './codec.ts';
import {
  writeCpu,
  writeIo,
  writeMemory,
  writeNetwork,
  writeProcesses,
  writeSwap,
  writeWritableLayer,
} from './stats-message.ts';
import { WireWriter } from './wire-writer.ts';

const testdata = join(import.meta.dirname, '../cgroupfs-ts/testdata');
const legacyControllers = ['memory', 'cpu', 'cpuacct', 'pids', 'blkio', 'hugetlb'];
const trees = {
  v1: {
    mode: 'legacy',
    unified: undefined,
    legacy: new Map(legacyControllers.map((name) => [name, join(testdata, 'legacy-tree', name)])),
  },
  v2: { mode: 'unified', unified: join(testdata, 'unified-tree'), legacy: new Map() },
} as const;

/** The statistics of a recorded cgroup as a client reads them. */
function statsOf(mounts: (typeof trees)['v1' | 'v2']): object {
  const readers = new StatsReaders(openCgroupfs({ mounts }));
  const subject = { id: 'one', cgroupPath: '/pods/batch' };
  const reading = readers.read(subject, ['cpu', 'memory', 'pressure']);
  readers.close();
  if (reading === undefined) throw new Error('there is no such cgroup');
  const to = new WireWriter();
  writeCpu(to, 2, { ...reading, at: 5 });
  writeMemory(to, 3, { ...reading, at: 5 });
  writeSwap(to, 5, { ...reading, at: 5 });
  writeIo(to, 6, { ...reading, at: 5 });
  const type = messageType('ContainerStats');
  return type.toObject(type.decode(to.take()), { longs: Number, defaults: true });
}

const memory = {
  timestamp: 5,
  workingSetBytes: { value: 54_427_648 },
  availableBytes: { value: 268_435_456 - 54_427_648 },
  usageBytes: { value: 71_204_864 },
  rssBytes: { value: 52_854_784 },
  pageFaults: { value: 17_899 },
};

it('statistics of cgroup v1 are those of the kernel, and leave out what it does not tell', () => {
  expect(statsOf(trees.v1)).toMatchObject({
    io: null,
    cpu: {
      timestamp: 5,
      usageCoreNanoSeconds: { value: 725_232_000 },
      usageNanoCores: null,
      psi: null,
    },
    memory: { ...memory, majorPageFaults: { value: 0 }, psi: null },
    swap: {
      timestamp: 5,
      swapAvailableBytes: { value: 134_217_728 },
      swapUsageBytes: { value: 0 },
    },
  });
});

it('statistics of cgroup v2 have the pressure as well', () => {
  const none = { Avg10: 0, Avg60: 0, Avg300: 0 };
  expect(statsOf(trees.v2)).toMatchObject({
    io: null,
    cpu: {
      timestamp: 5,
      usageCoreNanoSeconds: { value: 725_645_000 },
      psi: {
        Full: { Total: 431_002_000, Avg10: 0.87, Avg60: 0.21, Avg300: 0.05 },
        Some: { Total: 879_675_000, Avg10: 1.53, Avg60: 0.42, Avg300: 0.09 },
      },
    },
    memory: {
      ...memory,
      majorPageFaults: { value: 4 },
      psi: { Full: { Total: 7000, ...none }, Some: { Total: 12_000, ...none } },
    },
    swap: {
      timestamp: 5,
      swapAvailableBytes: { value: 134_217_728 - 1_048_576 },
      swapUsageBytes: { value: 1_048_576 },
    },
  });
});

it('StatsReaders let go of what has ended, and of what is gone', () => {
  const events = new EventLog();
  const opened: string[] = [];
  const closed: string[] = [];
  const cgroups = openCgroupfs({ mounts: trees.v2 });
  const readers = new StatsReaders({
    exists: (path) => cgroups.exists(path),
    openStats: (path) => {
      opened.push(path);
      const stats = cgroups.openStats(path);
      return { ...stats, [Symbol.dispose]: () => closed.push(path) };
    },
  });
  readers.open(events);
  const subject = { id: 'one', cgroupPath: '/pods/batch' };
  for (const groups of [['cpu'], ['memory']] as const) readers.read(subject, groups);
  expect(opened).toEqual(['/pods/batch']);
  expect(readers.read({ id: 'two', cgroupPath: '/pods/none' }, ['cpu'])).toBe(undefined);
  expect(closed).toEqual(['/pods/none']);
  const container = { id: 'one' } as never;
  events.publish({ kind: 'stopped', container, sandbox: undefined, containers: [] });
  expect(closed).toEqual(['/pods/none', '/pods/batch']);
  readers.close();
});

it('the network of a pod has its first interface apart, and nothing has none', () => {
  const traffic = { bytes: 1, packets: 2, errors: 3, dropped: 4 };
  const link = (name: string) => ({ name, received: traffic, sent: { ...traffic, bytes: 9 } });
  const to = new WireWriter();
  writeNetwork(to, 3, { at: 5, links: [link('net1'), link('eth0')] });
  writeProcesses(to, 4, { at: 5, count: 0 });
  const type = messageType('LinuxPodSandboxStats');
  const usage = {
    rxBytes: { value: 1 },
    rxErrors: { value: 3 },
    txBytes: { value: 9 },
    txErrors: { value: 3 },
  };
  expect(type.toObject(type.decode(to.take()), { longs: Number, defaults: true })).toMatchObject({
    network: {
      timestamp: 5,
      defaultInterface: { name: 'eth0', ...usage },
      interfaces: [{ name: 'net1', ...usage }],
    },
    process: { timestamp: 5, processCount: { value: 0 } },
  });
  writeNetwork(to, 3, { at: 5, links: undefined });
  const images = { root: '/root', rootfsUsage: () => undefined };
  writeWritableLayer(to, 4, { images, containerId: 'one', activity: undefined });
  expect(to.length).toBe(0);
});
