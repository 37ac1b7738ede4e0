import { assert, asyncProperty, constant, integer, oneof, record, tuple } from 'fast-check';
import { expect, it } from 'vitest';
import type { Write } from './control-file.ts';
import { type CpuLimits, planCpu } from './cpu-limits.ts';
import { type Amount, comparable, toAmount } from './format.ts';
import { planMemory } from './memory-limits.ts';
import { filesOf } from './recorded-fixture.ts';

// What holds between any two writes, with the rules of v1 as they are in the kernel.

/** The files after each write. */
function* after<Texts extends Record<string, string>>(texts: Texts, writes: readonly Write[]) {
  for (const { file, value } of writes) {
    Object.assign(texts, { [file]: value });
    yield texts;
  }
}

const bytes = oneof(integer({ min: 0, max: 100 }), constant('max' as const));
const limitAndSum = tuple(bytes, bytes).filter(
  ([one, both]) => comparable(one) <= comparable(both),
);

function legacyText(value: Amount): string {
  return value === 'max' ? '-1' : String(value);
}

it('v1 never has more memory than memory and swap together', async () => {
  await assert(
    asyncProperty(limitAndSum, limitAndSum, async (from, [limitBytes, memoryAndSwapBytes]) => {
      const texts = {
        'memory.limit_in_bytes': legacyText(from[0]),
        'memory.memsw.limit_in_bytes': legacyText(from[1]),
      };
      const writes = await planMemory(filesOf(1, texts), { limitBytes, memoryAndSwapBytes });
      expect(writes).toHaveLength(2);
      for (const now of after(texts, writes)) {
        const memory = comparable(toAmount(now['memory.limit_in_bytes']) ?? Number.NaN);
        const both = comparable(toAmount(now['memory.memsw.limit_in_bytes']) ?? Number.NaN);
        expect(memory).toBeLessThanOrEqual(both);
      }
      expect(toAmount(texts['memory.limit_in_bytes'])).toBe(limitBytes);
      expect(toAmount(texts['memory.memsw.limit_in_bytes'])).toBe(memoryAndSwapBytes);
    }),
  );
});

it('v2 gives swap before it takes memory, and memory before it takes swap', async () => {
  const full = filesOf(2, { 'memory.max': '100', 'memory.swap.max': '0' });
  expect(await planMemory(full, { limitBytes: 60, memoryAndSwapBytes: 100 })).toEqual([
    { file: 'memory.swap.max', value: '40' },
    { file: 'memory.max', value: '60' },
  ]);
  const mixed = filesOf(2, { 'memory.max': '60', 'memory.swap.max': '40' });
  expect(await planMemory(mixed, { limitBytes: 100, memoryAndSwapBytes: 100 })).toEqual([
    { file: 'memory.max', value: '100' },
    { file: 'memory.swap.max', value: '0' },
  ]);
});

const bandwidth = record({
  quotaUs: integer({ min: 1000, max: 9000 }),
  periodUs: integer({ min: 1000, max: 9000 }),
  burstUs: integer({ min: 0, max: 9000 }),
}).filter(({ quotaUs, burstUs }) => burstUs <= quotaUs);

function partOf({ quotaUs, periodUs }: CpuLimits): number {
  return Number(quotaUs) / Number(periodUs);
}

it('v1 never has a burst above the quota, nor more of the period than before or after', async () => {
  await assert(
    asyncProperty(bandwidth, bandwidth, async (from, to) => {
      const texts = {
        'cpu.cfs_quota_us': String(from.quotaUs),
        'cpu.cfs_period_us': String(from.periodUs),
        'cpu.cfs_burst_us': String(from.burstUs),
      };
      const writes = await planCpu(filesOf(1, texts), to);
      expect(writes).toHaveLength(3);
      for (const now of after(texts, writes)) {
        const [quotaUs, periodUs] = [now['cpu.cfs_quota_us'], now['cpu.cfs_period_us']].map(Number);
        expect(Number(now['cpu.cfs_burst_us'])).toBeLessThanOrEqual(quotaUs ?? Number.NaN);
        const most = Math.max(partOf(from), partOf(to));
        expect(partOf({ quotaUs, periodUs })).toBeLessThanOrEqual(most);
      }
    }),
  );
});
