import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { allowRlimit, ownRlimit, unlimited } from './rlimits.ts';

it('reads the limits that the kernel shows', () => {
  const [, soft = '', hard = ''] =
    /^Max open files +(\S+) +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  expect(ownRlimit('nofile')).toEqual({ soft: BigInt(soft), hard: BigInt(hard) });
});

it('allows what is below the own hard limit as it is', () => {
  expect(allowRlimit('nofile', { soft: 10n, hard: 20n })).toEqual({ soft: 10n, hard: 20n });
});

it('cuts what nobody can have down to the own hard limit', () => {
  // Above /proc/sys/fs/nr_open no process has descriptors, whatever its rights.
  const { hard } = ownRlimit('nofile');
  expect(allowRlimit('nofile', { soft: 16n, hard: unlimited })).toEqual({ soft: 16n, hard });
  expect(allowRlimit('nofile', { soft: unlimited, hard: unlimited })).toEqual({ soft: hard, hard });
  expect(ownRlimit('nofile').hard).toBe(hard);
});
