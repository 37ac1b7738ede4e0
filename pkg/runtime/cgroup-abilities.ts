import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readIfThere } from '#linux/read-file.ts';

type Mounts = {
  readonly unified: string | undefined;
  readonly legacy: ReadonlyMap<string, string>;
};

/** What the kernel of a node may have been built, or started, without. */
export type CgroupAbilities = { readonly hugetlb: boolean; readonly swap: boolean };

/** Looks once: controllers do not come and go while pods run. */
export function cgroupAbilities({ unified, legacy }: Mounts): CgroupAbilities {
  const memory = legacy.get('memory');
  return {
    hugetlb: legacy.has('hugetlb') || controllersOf(unified).includes('hugetlb'),
    swap:
      memory === undefined
        ? hasSwap(unified)
        : existsSync(join(memory, 'memory.memsw.limit_in_bytes')),
  };
}

function controllersOf(unified: string | undefined): readonly string[] {
  if (unified === undefined) return [];
  return (readIfThere(join(unified, 'cgroup.controllers')) ?? '').trim().split(' ');
}

/** The root of cgroup v2 has no limits to look for: those below it do. */
function hasSwap(unified: string | undefined): boolean {
  if (unified === undefined) return false;
  const folders = readdirSync(unified, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(unified, name))
    .filter((folder) => existsSync(join(folder, 'memory.max')));
  return folders.every((folder) => existsSync(join(folder, 'memory.swap.max')));
}
