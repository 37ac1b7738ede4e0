import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCgroupfs } from './cgroupfs.ts';
import { memoryStats } from './memory-stats.ts';
import { OpenReader, plainReader } from './reader.ts';
import { statFilesOf, trees } from './recorded-fixture.ts';

const cpu = {
  usageUs: 725_645,
  periods: 36,
  throttledPeriods: 31,
  throttledUs: 879_675,
  bursts: 3,
};
const memory = {
  usageBytes: 71_204_864,
  workingSetBytes: 54_427_648,
  peakBytes: 86_413_312,
  limitBytes: 268_435_456,
  anonBytes: 52_854_784,
  fileBytes: 16_781_312,
  mappedFileBytes: 86_016,
  inactiveFileBytes: 16_777_216,
  kernelBytes: 1_536_000,
  swapLimitBytes: 134_217_728,
  pageFaults: 17_899,
};

it('readStats reads a recorded v1 tree', async () => {
  expect(await openCgroupfs({ mounts: trees.legacy }).readStats('/pods/batch')).toEqual({
    cpu: { ...cpu, usageUs: 725_232, userUs: 610_000, systemUs: 110_000, burstUs: 10_620 },
    memory: { ...memory, swapBytes: 0, majorPageFaults: 0, limitHits: 0, oomKills: 0 },
    pids: { current: 7, limit: 40, peak: 7, limitHits: 0 },
    io: [
      {
        major: 254,
        minor: 0,
        readBytes: 4096,
        writtenBytes: 16_781_312,
        discardedBytes: 0,
        reads: 1,
        writes: 6,
        discards: 0,
      },
    ],
    hugetlb: ['1GB', '2MB'].map((pageSize) => ({
      pageSize,
      usageBytes: 0,
      peakBytes: 0,
      limitHits: 0,
    })),
    pressure: undefined,
  });
});

it('readStats reads a v2 tree', async () => {
  const none = { avg10Percent: 0, avg60Percent: 0, avg300Percent: 0 };
  expect(await openCgroupfs({ mounts: trees.unified }).readStats('/pods/batch')).toEqual({
    cpu: { ...cpu, userUs: 610_012, systemUs: 115_633, burstUs: 10_620 },
    memory: { ...memory, swapBytes: 1_048_576, majorPageFaults: 4, limitHits: 27, oomKills: 2 },
    pids: { current: 7, limit: 40, peak: 9, limitHits: 2 },
    io: [
      {
        major: 8,
        minor: 16,
        readBytes: 1_459_200,
        writtenBytes: 314_773_504,
        discardedBytes: 0,
        reads: 192,
        writes: 353,
        discards: 0,
      },
      {
        major: 8,
        minor: 0,
        readBytes: 90_430_464,
        writtenBytes: 299_008_000,
        discardedBytes: 50_331_648,
        reads: 8950,
        writes: 1252,
        discards: 3021,
      },
      {
        major: 253,
        minor: 0,
        readBytes: 0,
        writtenBytes: 0,
        discardedBytes: 0,
        reads: 0,
        writes: 0,
        discards: 0,
      },
    ],
    hugetlb: [
      { pageSize: '1GB', usageBytes: 0, peakBytes: undefined, limitHits: 0 },
      { pageSize: '2MB', usageBytes: 4_194_304, peakBytes: undefined, limitHits: 5 },
    ],
    pressure: {
      cpu: {
        some: { avg10Percent: 1.53, avg60Percent: 0.42, avg300Percent: 0.09, totalUs: 879_675 },
        full: { avg10Percent: 0.87, avg60Percent: 0.21, avg300Percent: 0.05, totalUs: 431_002 },
      },
      memory: { some: { ...none, totalUs: 12 }, full: { ...none, totalUs: 7 } },
      io: undefined,
    },
  });
});

it.each(['legacy', 'unified'] as const)('openStats reads the same of a %s tree', async (name) => {
  const cgroupfs = openCgroupfs({ mounts: trees[name] });
  using reader = cgroupfs.openStats('/pods/batch');
  const expected = await cgroupfs.readStats('/pods/batch');
  expect(reader.read()).toEqual(expected);
  expect(reader.read()).toEqual(expected);
});

it('openStats reads some groups alone', () => {
  using reader = openCgroupfs({ mounts: trees.unified }).openStats('/pods/batch');
  expect(reader.read(['pids'])).toEqual({
    cpu: undefined,
    memory: undefined,
    pids: { current: 7, limit: 40, peak: 9, limitHits: 2 },
    io: undefined,
    hugetlb: undefined,
    pressure: undefined,
  });
});

it('openStats lists the processes of a tree, each once', async () => {
  const cgroupfs = openCgroupfs({ mounts: trees.unified });
  using reader = cgroupfs.openStats('/pods/web');
  const pids = reader.processes().toSorted((one, other) => one - other);
  expect(pids).toEqual(await cgroupfs.processes('/pods/web'));
  expect(pids.length).toBeGreaterThan(0);
  using other = cgroupfs.openStats('/pods/none');
  expect(other.processes()).toEqual([]);
});

it('memoryStats takes a working set that seems negative for empty', async () => {
  const files = statFilesOf(2, {
    'memory.current': '4096\n',
    'memory.stat': 'inactive_file 8192\n',
  });
  expect(memoryStats(() => files)).toMatchObject({
    workingSetBytes: 0,
    anonBytes: undefined,
  });
});

it('OpenReader reads files of any length, as they are now', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cgroupfs-ts-'));
  const file = join(folder, 'io.stat');
  try {
    using reader = new OpenReader();
    for (const length of [0, 10, 16_383, 16_384, 16_385, 100_000]) {
      await writeFile(file, 'é'.repeat(length));
      expect(reader.read(file)).toBe(await plainReader.read(file));
      expect(reader.read(file)).toHaveLength(length);
    }
    expect(reader.read(join(folder, 'missing'))).toBe(undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
});
