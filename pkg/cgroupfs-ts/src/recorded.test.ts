import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCgroupfs } from './cgroupfs.ts';
import { type CgroupMounts, parseMounts } from './mounts.ts';
import { testdata, trees } from './recorded-fixture.ts';

const recorded = (name: string): string => readFileSync(join(testdata, `${name}.txt`), 'utf8');
const parsed = (name: string): CgroupMounts =>
  parseMounts(recorded(`mountinfo-${name}`), recorded('cgroups'));

it('parseMounts finds cgroup v2 alone', () => {
  expect(parsed('unified')).toEqual({
    mode: 'unified',
    unified: '/sys/fs/cgroup',
    legacy: new Map(),
  });
});

it('parseMounts finds joint and named v1 hierarchies, but no mount of a part', () => {
  expect(parsed('legacy')).toEqual({
    mode: 'legacy',
    unified: undefined,
    legacy: new Map([
      ['name=systemd', '/sys/fs/cgroup/systemd'],
      ['cpu', '/sys/fs/cgroup/cpu,cpuacct'],
      ['cpuacct', '/sys/fs/cgroup/cpu,cpuacct'],
      ['memory', '/sys/fs/cgroup/memory'],
      ['freezer', '/sys/fs/cgroup/a place'],
    ]),
  });
});

it('parseMounts finds v1 with an additional v2', () => {
  const { mode, unified, legacy } = parsed('hybrid');
  expect([mode, unified]).toEqual(['hybrid', '/sys/fs/cgroup/unified']);
  expect(legacy.get('memory')).toBe('/sys/fs/cgroup/memory');
  expect(legacy.has('name=systemd')).toBe(true);
  expect(legacy.has('perf_event')).toBe(false);
});

it.each([
  ['unified', true],
  ['legacy', false],
] as const)('Cgroupfs reads a recorded %s tree', async (name, isFrozen) => {
  const cgroupfs = openCgroupfs({ mounts: trees[name] });
  expect(cgroupfs.exists('/pods/web')).toBe(true);
  expect(cgroupfs.exists('/pods/db')).toBe(false);
  expect(await cgroupfs.processes('/pods')).toEqual([12, 301]);
  expect(await cgroupfs.oomKills('/pods/web')).toBe(2);
  expect(await cgroupfs.oomKills('/pods/db')).toBe(0);
  expect(await cgroupfs.frozen('/pods/web')).toBe(isFrozen);
});

it.each(['/', '', 'pods', '/pods/../..', '/pods/', '//pods'])(
  'Cgroupfs does not touch %o',
  async (path) => {
    const cgroupfs = openCgroupfs({ mounts: trees.unified });
    const refusal = `use cgroup "${path}": not an absolute path below the root`;
    await expect(cgroupfs.kill(path)).rejects.toThrow(refusal);
    await expect(cgroupfs.remove(path)).rejects.toThrow(refusal);
  },
);
