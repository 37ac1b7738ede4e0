import { expect, it } from 'vitest';
import { mergeResources } from './update.ts';

const nothing = { hugepageLimits: [], unified: {} };

it('leaves what is not named as it is', () => {
  const old = { ...nothing, cpuShares: 512, memoryLimitBytes: 1000 };
  expect(mergeResources(old, { ...nothing, cpuShares: 1024 })).toEqual({
    ...nothing,
    cpuShares: 1024,
    memoryLimitBytes: 1000,
  });
});

it.each([
  // Memory, and with swap, before; what is changed; and after.
  [[100, 100], { memoryLimitBytes: 200 }, [200, 200]],
  [[100, 100], { memoryLimitBytes: 50 }, [50, 50]],
  [[100, 100], { memoryLimitBytes: 200, memorySwapLimitBytes: 300 }, [200, 300]],
  [[100, 100], { cpuShares: 2 }, [100, 100]],
  [[100, 150], { memoryLimitBytes: 120 }, [120, 150]],
  [[-1, -1], { memoryLimitBytes: 120 }, [120, -1]],
])('memory of %j, with swap, changed by %j is %j', (before, change, after) => {
  const [memoryLimitBytes = 0, memorySwapLimitBytes = 0] = before;
  const old = { ...nothing, memoryLimitBytes, memorySwapLimitBytes };
  const merged = mergeResources(old, { ...nothing, ...change });
  expect([merged.memoryLimitBytes, merged.memorySwapLimitBytes]).toEqual(after);
});

it('replaces limits of the same page size and keys of the same name, and keeps the others', () => {
  const old = {
    hugepageLimits: [
      { pageSize: '2MB', limitBytes: 1 },
      { pageSize: '1GB', limitBytes: 2 },
    ],
    unified: { 'memory.high': '1', 'memory.min': '2' },
  };
  const changes = {
    hugepageLimits: [{ pageSize: '2MB', limitBytes: 3 }],
    unified: { 'memory.high': '4' },
  };
  expect(mergeResources(old, changes)).toEqual({
    hugepageLimits: [
      { pageSize: '1GB', limitBytes: 2 },
      { pageSize: '2MB', limitBytes: 3 },
    ],
    unified: { 'memory.high': '4', 'memory.min': '2' },
  });
});
