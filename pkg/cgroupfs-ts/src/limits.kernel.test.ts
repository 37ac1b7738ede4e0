import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Cgroupfs } from './cgroupfs.ts';
import { hasController, kinds, type OwnCgroup, ownCgroup } from './kernel-fixture.ts';
import type { CgroupLimits } from './limits.ts';
import { controllerDirectory } from './tree.ts';

const mib = 1 << 20;

describe.each(kinds)('limits of cgroup %s', (_, kind) => {
  let own: OwnCgroup;
  let cgroupfs: Cgroupfs;
  let path: string;

  beforeEach(async () => {
    own = await ownCgroup(kind);
    ({ cgroupfs, path } = own);
  });

  afterEach(() => own[Symbol.asyncDispose]());

  /** Sets limits, and reads back those of one kind. */
  async function set<Name extends keyof CgroupLimits>(
    name: Name,
    limits: CgroupLimits[Name],
  ): Promise<CgroupLimits[Name]> {
    await cgroupfs.setLimits(path, { [name]: limits });
    return (await cgroupfs.readLimits(path))[name];
  }

  const file = (controller: string, name: string): string =>
    readFileSync(
      `${controllerDirectory(kind, controller, path)?.directory}/${name}`,
      'utf8',
    ).trim();

  it.runIf(hasController(kind, 'memory'))(
    'raises and lowers memory and swap together',
    async () => {
      for (const [limit, both] of [
        [64, 64],
        [128, 192],
        [32, 256],
        [200, 201],
        [8, 8],
      ] as const) {
        const limits = { limitBytes: limit * mib, memoryAndSwapBytes: both * mib };
        expect(await set('memory', limits)).toMatchObject(limits);
      }
      const none = { limitBytes: 'max', memoryAndSwapBytes: 'max' } as const;
      expect(await set('memory', none)).toMatchObject(none);
      expect(await set('memory', { limitBytes: 8 * mib })).toMatchObject({ limitBytes: 8 * mib });
      expect(await set('memory', { reservationBytes: 4 * mib })).toMatchObject({
        limitBytes: 8 * mib,
        reservationBytes: 4 * mib,
      });
    },
  );

  it.runIf(hasController(kind, 'memory'))('refuses less together than alone', async () => {
    await set('memory', { limitBytes: 8 * mib, memoryAndSwapBytes: 16 * mib });
    await expect(set('memory', { memoryAndSwapBytes: 4 * mib })).rejects.toMatchObject({
      name: 'CgroupError',
      value: String(4 * mib),
    });
    expect((await cgroupfs.readLimits(path)).memory).toMatchObject({
      limitBytes: 8 * mib,
      memoryAndSwapBytes: 16 * mib,
    });
  });

  it.runIf(kind.legacy.has('memory'))('says when more is in use than the limit', async () => {
    await set('memory', { limitBytes: 128 * mib, memoryAndSwapBytes: 128 * mib });
    const script = `const held = Buffer.alloc(${24 * mib}, 1); console.log(held.length); process.stdin.resume();`;
    const holder = await own.start(path, `exec '${process.execPath}' -e '${script}'`);
    await once(holder.stdout, 'data');
    await expect(set('memory', { limitBytes: 8 * mib })).rejects.toMatchObject({
      file: 'memory.limit_in_bytes',
      value: String(8 * mib),
      message: expect.stringContaining('more than that is in use'),
    });
  });

  it.runIf(hasController(kind, 'cpu'))(
    'sets the share of the processor in either unit',
    async () => {
      const own1024 = kind.legacy.has('cpu') ? { shares: 1024 } : { weight: 100 };
      await set('cpu', { shares: 2048 });
      expect(await set('cpu', { weight: 100 })).toMatchObject(own1024);
      await set('cpu', { weight: 1 });
      expect(await set('cpu', { shares: 1024 })).toMatchObject(own1024);
    },
  );

  it.runIf(hasController(kind, 'cpu'))('changes quota, period and burst in one go', async () => {
    for (const limits of [
      { quotaUs: 50_000, periodUs: 100_000, burstUs: 50_000 },
      { quotaUs: 20_000, periodUs: 20_000, burstUs: 1000 },
      { quotaUs: 400_000, periodUs: 1_000_000, burstUs: 400_000 },
      { quotaUs: 1000, periodUs: 1000, burstUs: 0 },
    ]) {
      expect(await set('cpu', limits)).toMatchObject(limits);
    }
    expect(await set('cpu', { periodUs: 2000 })).toMatchObject({ quotaUs: 1000, periodUs: 2000 });
    expect(await set('cpu', { quotaUs: 'max' })).toMatchObject({ quotaUs: 'max', periodUs: 2000 });
  });

  // v1 refuses a greater part of the period than the parent's, at each write.
  it.runIf(hasController(kind, 'cpu'))(
    'changes the period below a parent with a quota',
    async () => {
      await set('cpu', { quotaUs: 50_000, periodUs: 100_000 });
      const child = `${path}/child`;
      await cgroupfs.create(child);
      for (const periodUs of [100_000, 1_000_000, 10_000]) {
        const cpu = { quotaUs: periodUs / 2, periodUs };
        await cgroupfs.setLimits(child, { cpu });
        expect((await cgroupfs.readLimits(child)).cpu).toMatchObject(cpu);
      }
    },
  );

  it.runIf(hasController(kind, 'cpuset'))('sets processors and memory nodes', async () => {
    expect(await set('cpuset', { cpus: '0', mems: '0' })).toEqual({ cpus: '0', mems: '0' });
    await expect(set('cpuset', { cpus: '4000' })).rejects.toMatchObject({
      file: 'cpuset.cpus',
      value: '4000',
      cause: expect.any(Error),
    });
  });

  it.runIf(hasController(kind, 'pids'))('sets the number of processes', async () => {
    expect(await set('pids', { max: 7 })).toEqual({ max: 7 });
    expect(await set('pids', { max: 'max' })).toEqual({ max: 'max' });
  });

  it.runIf(hasController(kind, 'hugetlb'))('sets huge pages, used and reserved', async () => {
    expect(await set('hugetlb', { '2MB': 4 * mib })).toMatchObject({ '2MB': 4 * mib });
    const name = kind.legacy.has('hugetlb') ? 'rsvd.limit_in_bytes' : 'rsvd.max';
    expect(file('hugetlb', `hugetlb.2MB.${name}`)).toBe(String(4 * mib));
    await expect(set('hugetlb', { '3MB': 0 })).rejects.toThrow('there is no such file');
  });

  it.runIf(hasController(kind, 'io'))('limits a block device, and takes limits away', async () => {
    const device = blockDevice();
    const limits = { ...device, readBytesPerSecond: mib, writesPerSecond: 100 };
    expect((await set('io', { devices: [limits] }))?.devices).toEqual([
      expect.objectContaining(limits),
    ]);
    const none = { ...device, readBytesPerSecond: 'max', writesPerSecond: 'max' } as const;
    expect((await set('io', { devices: [none] }))?.devices).toEqual([]);
    const missing = { major: 4000, minor: 1, readBytesPerSecond: mib };
    await expect(set('io', { devices: [missing] })).rejects.toThrow('there is no such device');
  });

  it.runIf(kind.legacy.has('blkio'))('sets the weight of input and output', async () => {
    expect(await set('io', { weight: 321 })).toMatchObject({ weight: 321 });
  });

  it.runIf(kind.legacy.has('devices'))('denies and allows device files', async () => {
    const all = { isAllowed: false, type: 'a', access: 'rwm' } as const;
    const zero = { isAllowed: true, type: 'c', major: 1, minor: 5, access: 'rw' } as const;
    await cgroupfs.setLimits(path, { devices: [all, zero] });
    expect(await cgroupfs.readDeviceRules(path)).toEqual([zero]);
    const tries = '(: < /dev/zero) 2>&1 && echo zero; (: < /dev/null) 2>&1 || echo no null';
    const shell = await own.start(path, `read go; ${tries}`);
    shell.stdin.end('go\n');
    expect(await text(shell.stdout)).toMatch(/^zero\n.*Operation not permitted\nno null\n$/);
  });

  it('gives back what it took: limits that were read can be set', async () => {
    const before = await cgroupfs.readLimits(path);
    await cgroupfs.setLimits(path, before);
    expect(await cgroupfs.readLimits(path)).toEqual(before);
  });

  it.runIf(hasController(kind, 'pids'))(
    'writes nothing when one value is out of bounds',
    async () => {
      await expect(
        cgroupfs.setLimits(path, { pids: { max: 5 }, cpu: { quotaUs: 5 } }),
      ).rejects.toMatchObject({ value: '5', message: expect.stringContaining('at least 1000') });
      expect((await cgroupfs.readLimits(path)).pids).toEqual({ max: 'max' });
    },
  );

  it('says that a cgroup is gone', async () => {
    const gone = `${path}/gone`;
    await expect(cgroupfs.setLimits(gone, { pids: { max: 5 } })).rejects.toThrow(
      `limit cgroup "${gone}": pids.max = "5": it is gone`,
    );
    expect(await cgroupfs.readStats(gone)).toBe(undefined);
  });
});

/** Some disk of the machine. */
function blockDevice(): { major: number; minor: number } {
  const [line = ''] = readFileSync('/proc/partitions', 'utf8').split('\n').slice(2);
  const [major, minor] = line.trim().split(/\s+/).map(Number);
  return { major: major ?? 0, minor: minor ?? 0 };
}
