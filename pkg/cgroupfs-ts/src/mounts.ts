import { readText } from './reader.ts';

/**
 * Where the hierarchies of cgroups(7) are mounted.
 * `unified`: cgroup v2 alone. `legacy`: v1 alone. `hybrid`: v1 with an additional v2.
 */
export type CgroupMounts = {
  readonly mode: 'unified' | 'legacy' | 'hybrid';
  /** The mount point of cgroup v2. */
  readonly unified: string | undefined;
  /** The mount point of each v1 controller, and of each named hierarchy, as in `name=systemd`. */
  readonly legacy: ReadonlyMap<string, string>;
};

/** The mounts that the calling process sees. */
export function readMounts(): CgroupMounts {
  return parseMounts(readText('/proc/self/mountinfo'), readText('/proc/cgroups'));
}

/** The same from the texts of /proc/[pid]/mountinfo and /proc/cgroups. */
export function parseMounts(mountinfo: string, cgroups: string): CgroupMounts {
  const controllers = new Set(cgroups.split('\n').map((line) => line.split('\t')[0]));
  const mounts = mountinfo.split('\n').flatMap(parseMount);
  const legacy = new Map<string, string>();
  for (const { point, options } of mounts.filter(({ type }) => type === 'cgroup')) {
    for (const option of options) {
      const isHierarchy = controllers.has(option) || option.startsWith('name=');
      if (isHierarchy && !legacy.has(option)) legacy.set(option, point);
    }
  }
  const unified = mounts.find(({ type }) => type === 'cgroup2')?.point;
  return { mode: modeOf(unified, legacy), unified, legacy };
}

/** The roots of all hierarchies, each once. */
export function hierarchyRoots({ unified, legacy }: CgroupMounts): string[] {
  return [...new Set([...(unified === undefined ? [] : [unified]), ...legacy.values()])];
}

type Mount = { readonly point: string; readonly type: string; readonly options: readonly string[] };

/** One line of proc_pid_mountinfo(5). A mount of a part of a hierarchy is of no use. */
function parseMount(line: string): Mount[] {
  const [fields = '', rest = ''] = line.split(' - ');
  const [, , , root, point] = fields.split(' ');
  const [type = '', , options = ''] = rest.split(' ');
  if (root !== '/' || point === undefined) return [];
  return [{ point: decodeOctal(point), type, options: options.split(',') }];
}

function modeOf(
  unified: string | undefined,
  legacy: ReadonlyMap<string, string>,
): CgroupMounts['mode'] {
  if (unified === undefined) return 'legacy';
  return legacy.size === 0 ? 'unified' : 'hybrid';
}

/** Blanks, tabs, newlines and backslashes are written as `\040` and the like. */
function decodeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  );
}
