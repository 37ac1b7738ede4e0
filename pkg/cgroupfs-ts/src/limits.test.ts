import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCgroupfs } from './cgroupfs.ts';
import { sharesOfWeight, weightOfShares } from './cpu-limits.ts';
import { CgroupError } from './error.ts';
import type { CgroupLimits } from './limits.ts';
import { testdata, trees, treesIn } from './recorded-fixture.ts';

const mib = 1 << 20;

describe('readLimits', () => {
  const common = {
    memory: {
      limitBytes: 256 * mib,
      memoryAndSwapBytes: 384 * mib,
      reservationBytes: 64 * mib,
      highBytes: undefined,
      minBytes: undefined,
    },
    pids: { max: 40 },
    hugetlb: { '1GB': 'max', '2MB': 8 * mib },
  };
  const bandwidth = { quotaUs: 20_000, periodUs: 50_000, burstUs: 10_000 };

  it('reads a recorded v1 tree', async () => {
    const cgroupfs = openCgroupfs({ mounts: trees.legacy });
    expect(await cgroupfs.readLimits('/pods/batch')).toEqual({
      ...common,
      cpu: { shares: 512, ...bandwidth },
      cpuset: { cpus: '0', mems: '0' },
      io: {
        weight: 250,
        devices: [{ major: 254, minor: 0, readBytesPerSecond: 500 * mib, writesPerSecond: 2000 }],
      },
    });
    expect(await cgroupfs.readDeviceRules('/pods/batch')).toEqual([
      { isAllowed: true, type: 'c', major: 1, minor: undefined, access: 'rwm' },
      { isAllowed: true, type: 'c', major: 5, minor: 2, access: 'rw' },
      { isAllowed: true, type: 'b', major: undefined, minor: undefined, access: 'm' },
    ]);
  });

  it('reads a v2 tree', async () => {
    const cgroupfs = openCgroupfs({ mounts: trees.unified });
    expect(await cgroupfs.readLimits('/pods/batch')).toEqual({
      ...common,
      memory: { ...common.memory, highBytes: 'max', minBytes: 0 },
      cpu: { weight: 59, ...bandwidth },
      cpuset: { cpus: '0-1,3', mems: undefined },
      io: {
        weight: 20,
        devices: [
          {
            major: 8,
            minor: 16,
            readBytesPerSecond: 2_097_152,
            writeBytesPerSecond: 'max',
            readsPerSecond: 'max',
            writesPerSecond: 120,
          },
        ],
      },
    });
    expect(await cgroupfs.readDeviceRules('/pods/batch')).toBe(undefined);
  });
});

describe('setLimits', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cgroupfs-ts-'));
    await cp(testdata, folder, { recursive: true });
  });

  afterEach(() => rm(folder, { recursive: true }));

  const limits = {
    memory: { limitBytes: 100 * mib, memoryAndSwapBytes: 150 * mib, reservationBytes: mib },
    pids: { max: 'max' },
    cpu: { shares: 1024, quotaUs: 'max', burstUs: 0 },
    cpuset: { cpus: '1-2', mems: '0' },
    io: {
      weight: 505,
      devices: [{ major: 8, minor: 1, readBytesPerSecond: 7, writesPerSecond: 'max' }],
    },
    hugetlb: { '2MB': 'max', '1GB': 1024 * mib },
  } as const satisfies CgroupLimits;

  const written = {
    legacy: {
      'memory/memory.limit_in_bytes': String(100 * mib),
      'memory/memory.memsw.limit_in_bytes': String(150 * mib),
      'memory/memory.soft_limit_in_bytes': String(mib),
      'pids/pids.max': 'max',
      'cpu/cpu.shares': '1024',
      'cpu/cpu.cfs_quota_us': '-1',
      'cpu/cpu.cfs_period_us': '50000\n',
      'cpu/cpu.cfs_burst_us': '0',
      'cpuset/cpuset.cpus': '1-2',
      'blkio/blkio.bfq.weight': '505',
      'blkio/blkio.throttle.read_bps_device': '8:1 7',
      'blkio/blkio.throttle.write_iops_device': '8:1 0',
      'hugetlb/hugetlb.2MB.limit_in_bytes': '-1',
      'hugetlb/hugetlb.1GB.rsvd.limit_in_bytes': String(1024 * mib),
    },
    unified: {
      'memory.max': String(100 * mib),
      'memory.swap.max': String(50 * mib),
      'memory.low': String(mib),
      'memory.high': 'max\n',
      'pids.max': 'max',
      'cpu.weight': '100',
      'cpu.max': 'max 50000',
      'cpu.max.burst': '0',
      'cpuset.cpus': '1-2',
      'io.weight': '5000',
      'io.max': '8:1 rbps=7 wiops=max',
      'hugetlb.2MB.max': 'max',
      'hugetlb.1GB.rsvd.max': String(1024 * mib),
    },
  };

  it.each(['legacy', 'unified'] as const)('writes the files of a %s tree', async (name) => {
    await openCgroupfs({ mounts: treesIn(folder)[name] }).setLimits('/pods/batch', limits);
    for (const [file, text] of Object.entries(written[name])) {
      const [controller, own] = name === 'legacy' ? file.split('/') : ['', file];
      const place = join(folder, `${name}-tree`, controller ?? '', 'pods/batch', own ?? '');
      expect([file, await readFile(place, 'utf8')]).toEqual([file, text]);
    }
  });

  it('writes texts of others to files of v2', async () => {
    const cgroupfs = openCgroupfs({ mounts: treesIn(folder).unified });
    await cgroupfs.setLimits('/pods/batch', {
      unified: { 'memory.oom.group': '1', 'hugetlb.2MB.max': '0' },
    });
    const place = join(folder, 'unified-tree/pods/batch');
    expect(await readFile(join(place, 'memory.oom.group'), 'utf8')).toBe('1');
    expect(await readFile(join(place, 'hugetlb.2MB.max'), 'utf8')).toBe('0');
  });

  const refusals: [keyof typeof trees, CgroupLimits, string][] = [
    ['legacy', { memory: { limitBytes: -1 } }, 'memory.limit_in_bytes = "-1": not an integer of'],
    [
      'unified',
      { memory: { limitBytes: 1.5 } },
      'memory.max = "1.5": not an integer of at least 0',
    ],
    ['legacy', { memory: { highBytes: 1 } }, 'memory.high = "1": cgroup v1 has no such limit'],
    ['legacy', { memory: { limitBytes: 400 * mib } }, 'together 402653184'],
    ['legacy', { memory: { limitBytes: 'max' } }, 'memory alone has max'],
    ['unified', { memory: { memoryAndSwapBytes: 1 } }, 'memory alone has 268435456'],
    ['unified', { memory: { limitBytes: 2, memoryAndSwapBytes: 1 } }, 'memory.swap.max = "1"'],
    ['unified', { cpu: { shares: 1 } }, 'cpu.shares = "1": not an integer from 2 to 262144'],
    ['legacy', { cpu: { weight: 10_001 } }, 'cpu.weight = "10001": not an integer from 1 to 10000'],
    ['legacy', { cpu: { shares: 2, weight: 1 } }, 'shares are given, too (2)'],
    ['unified', { cpu: { quotaUs: 999 } }, 'cpu.max = "999": not an integer of at least 1000'],
    ['unified', { cpu: { periodUs: 1_000_001 } }, 'from 1000 to 1000000'],
    ['legacy', { cpuset: { cpus: '0,' } }, 'cpuset.cpus = "0,": not a list'],
    ['unified', { cpuset: { mems: '' } }, 'cpuset.mems = "": not a list'],
    ['unified', { pids: { max: -1 } }, 'pids.max = "-1"'],
    ['unified', { io: { weight: 5 } }, 'io.weight = "5": not an integer from 10 to 1000'],
    ['unified', { io: { devices: [{ major: 8, minor: 0, readsPerSecond: 0 }] } }, 'at least 1'],
    ['legacy', { io: { devices: [{ major: -8, minor: 0, readsPerSecond: 1 }] } }, '"-8:0"'],
    ['legacy', { hugetlb: { '../2MB': 0 } }, 'no size of pages'],
    ['unified', { devices: [{ isAllowed: false, type: 'a', access: 'r' }] }, 'cgroup v2 has no'],
    ['legacy', { devices: [{ isAllowed: true, type: 'c', access: 'x' }] }, 'not a rule'],
    ['legacy', { devices: [{ isAllowed: true, type: 'a', major: 1, access: 'r' }] }, 'not a rule'],
    ['legacy', { unified: { 'memory.max': '1' } }, 'no hierarchy has "unified"'],
    ...['../memory.max', 'a/memory.max', 'cgroup.kill', 'memory', 'memory.', ''].map(
      (name): [keyof typeof trees, CgroupLimits, string] => [
        'unified',
        { unified: { [name]: '1' } },
        `${name} = "1": not the name of a file`,
      ],
    ),
  ];

  it.each(refusals)('refuses before it writes: %s %j', async (name, wrong, reason) => {
    const cgroupfs = openCgroupfs({ mounts: treesIn(folder)[name] });
    const before = await cgroupfs.readLimits('/pods/batch');
    const setting = cgroupfs.setLimits('/pods/batch', { pids: { max: 1 }, ...wrong });
    const error: unknown = await setting.then(
      () => 'no error',
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CgroupError);
    expect(error).toMatchObject({ message: expect.stringContaining(reason), path: '/pods/batch' });
    expect(await cgroupfs.readLimits('/pods/batch')).toEqual(before);
  });

  it('lets processes go on that did not all stand still in time', async () => {
    const mounts = treesIn(folder).unified;
    const cgroupfs = openCgroupfs({ mounts, freezeTimeoutMs: 5 });
    const message = 'freeze cgroup "/pods/batch": not all stand still after 5 ms';
    await expect(cgroupfs.freeze('/pods/batch')).rejects.toThrow(message);
    const file = join(folder, 'unified-tree/pods/batch/cgroup.freeze');
    expect(await readFile(file, 'utf8')).toBe('0');
  });
});

describe('weightOfShares', () => {
  it.each([
    [2, 1],
    [100, 17],
    [512, 59],
    [1024, 100],
    [2048, 174],
    [262_144, 10_000],
  ])('makes %i shares a weight of %i', (shares, weight) => {
    expect(weightOfShares(shares)).toBe(weight);
  });

  it('is undone by sharesOfWeight, which stays in bounds', () => {
    for (let weight = 1; weight <= 10_000; weight += 1) {
      const shares = sharesOfWeight(weight);
      expect(shares).toBeGreaterThanOrEqual(2);
      expect(shares).toBeLessThanOrEqual(262_144);
      expect(Math.abs(weightOfShares(shares) - weight)).toBeLessThanOrEqual(1);
    }
  });
});
