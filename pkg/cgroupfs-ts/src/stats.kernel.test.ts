import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Cgroupfs } from './cgroupfs.ts';
import { hasController, kinds, type OwnCgroup, ownCgroup } from './kernel-fixture.ts';
import type { MemoryStats } from './memory-stats.ts';

const mib = 1 << 20;

describe.each(kinds)('statistics of cgroup %s', (_, kind) => {
  let own: OwnCgroup;
  let cgroupfs: Cgroupfs;
  let path: string;
  let scratch: string;

  beforeEach(async () => {
    scratch = await mkdtemp('/var/tmp/cgroupfs-ts-');
    own = await ownCgroup(kind);
    ({ cgroupfs, path } = own);
  });

  afterEach(async () => {
    await own[Symbol.asyncDispose]();
    await rm(scratch, { recursive: true });
  });

  /** Runs a script in the cgroup, as a new process of Node, until it says something. */
  async function run(script: string): Promise<void> {
    const shell = await own.start(path, `exec '${process.execPath}' -e "$(cat)"`);
    shell.stdin.end(script);
    await once(shell.stdout, 'data');
  }

  async function memoryNow(): Promise<MemoryStats> {
    const memory = (await cgroupfs.readStats(path))?.memory;
    if (memory === undefined) throw new Error('no statistics of memory');
    return memory;
  }

  it('counts processor time', async () => {
    await run(`const end = process.cpuUsage().user + 200_000;
      while (process.cpuUsage().user < end); console.log('used'); setTimeout(() => {}, 1e6)`);
    const { cpu } = (await cgroupfs.readStats(path)) ?? {};
    expect(cpu?.usageUs).toBeGreaterThan(200_000);
    expect(cpu?.usageUs).toBeLessThan(20_000_000);
    expect(cpu?.userUs).toBeGreaterThan(100_000);
    expect(Number(cpu?.userUs) + Number(cpu?.systemUs)).toBeLessThanOrEqual(Number(cpu?.usageUs));
  });

  it.runIf(hasController(kind, 'cpu'))('counts throttling', async () => {
    await cgroupfs.setLimits(path, { cpu: { quotaUs: 1000, periodUs: 10_000 } });
    await own.start(path, 'while :; do :; done');
    await expect
      .poll(async () => (await cgroupfs.readStats(path))?.cpu, { timeout: 10_000 })
      .toMatchObject({
        periods: expect.toSatisfy((count: number) => count > 0),
        throttledPeriods: expect.toSatisfy((count: number) => count > 0),
        throttledUs: expect.toSatisfy((us: number) => us > 1000 && us < 100_000_000),
      });
  });

  it.runIf(hasController(kind, 'memory'))('tells memory in use from cache', async () => {
    await run(`const held = Buffer.alloc(${30 * mib}, 1);
      require('node:fs').writeFileSync('${scratch}/file', Buffer.alloc(${20 * mib}));
      console.log('held'); setTimeout(() => held, 1e6)`);
    const memory = await memoryNow();
    expect(memory.anonBytes).toBeGreaterThan(30 * mib);
    expect(memory.fileBytes).toBeGreaterThanOrEqual(20 * mib);
    expect(memory.inactiveFileBytes).toBeGreaterThan(15 * mib);
    expect(memory.usageBytes).toBeGreaterThan(50 * mib);
    const difference = Number(memory.usageBytes) - Number(memory.inactiveFileBytes);
    expect(memory.workingSetBytes).toBe(difference);
    expect(memory.peakBytes).toBeGreaterThanOrEqual(Number(memory.usageBytes));
    expect(memory.pageFaults).toBeGreaterThan(1000);
    expect(memory.limitBytes).toBe(undefined);
  });

  it.runIf(hasController(kind, 'memory'))('counts hits of the limit', async () => {
    const limitBytes = 16 * mib;
    // With room for swap: a v1 of Linux 6.18 counts no hits of a limit of memory and swap together.
    const memoryAndSwapBytes = 2 * limitBytes;
    await cgroupfs.setLimits(path, { memory: { limitBytes, memoryAndSwapBytes } });
    const child = await own.start(path, 'exec tail /dev/zero');
    await once(child, 'exit');
    const memory = await memoryNow();
    expect(memory).toMatchObject({ limitBytes, oomKills: 1 });
    expect(memory.limitHits).toBeGreaterThan(0);
  });

  it.runIf(hasController(kind, 'pids'))('counts processes, and forks that failed', async () => {
    await cgroupfs.setLimits(path, { pids: { max: 2 } });
    const shell = await own.start(path, 'sleep 1000 & read go; sleep 1000');
    const ended = once(shell, 'exit');
    await expect.poll(async () => (await cgroupfs.readStats(path))?.pids?.current).toBe(2);
    expect((await cgroupfs.readStats(path))?.pids).toMatchObject({ limit: 2, limitHits: 0 });
    shell.stdin.end('go\n');
    await ended;
    expect((await cgroupfs.readStats(path))?.pids?.limitHits).toBeGreaterThan(0);
  });

  it.runIf(hasController(kind, 'io'))('counts what is written to a disk', async () => {
    await run(`const fs = require('node:fs');
      const fd = fs.openSync('${scratch}/file', 'w');
      fs.writeSync(fd, Buffer.alloc(${8 * mib}, 7)); fs.fsyncSync(fd);
      console.log('written'); setTimeout(() => {}, 1e6)`);
    const { io = [] } = (await cgroupfs.readStats(path)) ?? {};
    expect(Math.max(...io.map(({ writtenBytes }) => writtenBytes))).toBeGreaterThanOrEqual(8 * mib);
    expect(Math.max(...io.map(({ writes }) => writes))).toBeGreaterThan(0);
  });

  it.runIf(hasController(kind, 'hugetlb'))('has all sizes of huge pages', async () => {
    const { hugetlb } = (await cgroupfs.readStats(path)) ?? {};
    expect(hugetlb).toContainEqual(
      expect.objectContaining({ pageSize: '2MB', usageBytes: 0, limitHits: 0 }),
    );
  });

  it.runIf(kind.unified !== undefined)('has the pressure', async () => {
    const { pressure } = (await cgroupfs.readStats(path)) ?? {};
    const still = { avg10Percent: 0, avg60Percent: 0, avg300Percent: 0, totalUs: 0 };
    expect(pressure).toMatchObject({ cpu: { some: still }, memory: { full: still } });
  });

  it('lists processes that do not fit into a page', async () => {
    const many = 1200;
    await using crowd = await ownCgroup(kind);
    const script = `i=0; while [ $((i+=1)) -lt ${many} ]; do sleep 1000 & done; wait`;
    await crowd.start(crowd.path, script);
    using reader = cgroupfs.openStats(crowd.path);
    // v1 gives a list out again to whoever asks for it within a second.
    const seldom = { interval: 1_500 };
    await expect.poll(() => reader.processes().length, seldom).toBe(many);
    await cgroupfs.kill(crowd.path);
    await expect.poll(() => reader.processes(), seldom).toEqual([]);
  });

  it('reads again and again from open files, until the cgroup is gone', async () => {
    using reader = cgroupfs.openStats(path);
    const idle = reader.read();
    expect(idle).toEqual(await cgroupfs.readStats(path));
    const child = await own.start(path, 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done');
    await once(child, 'exit');
    const busy = reader.read();
    expect(busy?.cpu?.usageUs).toBeGreaterThan(idle?.cpu?.usageUs ?? Number.NaN);
    expect(busy?.cpu).toEqual((await cgroupfs.readStats(path))?.cpu);
    await cgroupfs.remove(path);
    expect(reader.read()).toBe(undefined);
    await cgroupfs.create(path);
    expect(reader.read()).toBe(undefined);
  });

  it('closes its files', async () => {
    const reader = cgroupfs.openStats(path);
    reader.read();
    reader[Symbol.dispose]();
    expect(() => reader.read()).toThrow('closed');
  });
});
