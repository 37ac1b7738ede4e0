import { join } from 'node:path';
import type { ControlFiles, StatFiles } from './controller.ts';
import type { CgroupMounts } from './mounts.ts';

/**
 * `legacy-tree` was recorded on Linux 6.18: a program with 40 MiB of memory, limits of all kinds, and a
 * file of 16 MiB that it wrote. `unified-tree` is the same as cgroup-v2.rst describes the files.
 */
export const testdata = join(import.meta.dirname, '../testdata');

const controllers = [
  'memory',
  'freezer',
  'cpu',
  'cpuacct',
  'cpuset',
  'pids',
  'blkio',
  'hugetlb',
  'devices',
];

/** Both trees, wherever they are. */
export function treesIn(folder: string): Readonly<Record<'legacy' | 'unified', CgroupMounts>> {
  const legacy = controllers.map((name) => [name, join(folder, 'legacy-tree', name)] as const);
  return {
    legacy: { mode: 'legacy', unified: undefined, legacy: new Map(legacy) },
    unified: { mode: 'unified', unified: join(folder, 'unified-tree'), legacy: new Map() },
  };
}

export const trees = treesIn(testdata);

type Texts = Readonly<Record<string, string | undefined>>;

/** Files that are in memory only. */
export function filesOf(version: 1 | 2, texts: Texts): ControlFiles {
  const files = statFilesOf(version, texts);
  return {
    ...files,
    path: '/pods/web',
    read: async (file) => files.read(file),
    list: async () => files.list(),
  };
}

/** The same, read at once. */
export function statFilesOf(version: 1 | 2, texts: Texts): StatFiles {
  return {
    version,
    directory: '/nowhere',
    read: (file) => texts[file],
    list: () => Object.keys(texts),
  };
}
