import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cgroupAbilities } from './cgroup-abilities.ts';

let unified = '';
beforeEach(() => {
  unified = mkdtempSync(join(tmpdir(), 'gantry-cgroups-'));
  mkdirSync(join(unified, 'system.slice'));
});
afterEach(() => rmSync(unified, { recursive: true }));

function tree(controllers: string, files: readonly string[]): void {
  writeFileSync(join(unified, 'cgroup.controllers'), `${controllers}\n`);
  for (const file of files) writeFileSync(join(unified, 'system.slice', file), 'max\n');
}

it('finds huge pages and swap where cgroup v2 has them', () => {
  tree('cpu memory hugetlb', ['memory.max', 'memory.swap.max']);
  expect(cgroupAbilities({ unified, legacy: new Map() })).toEqual({ hugetlb: true, swap: true });
});

it('misses them where it has not', () => {
  tree('cpu memory', ['memory.max']);
  expect(cgroupAbilities({ unified, legacy: new Map() })).toEqual({ hugetlb: false, swap: false });
});

it('goes by the hierarchies of cgroup v1', () => {
  const legacy = new Map([['memory', join(unified, 'system.slice')]]);
  expect(cgroupAbilities({ unified: undefined, legacy })).toEqual({ hugetlb: false, swap: false });
  tree('', ['memory.memsw.limit_in_bytes']);
  legacy.set('hugetlb', unified);
  expect(cgroupAbilities({ unified: undefined, legacy })).toEqual({ hugetlb: true, swap: true });
});
