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
