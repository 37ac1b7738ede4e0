import { readText } from '#linux/read-file.ts';
import { join } from 'node:path';
import { type CgroupMounts, readMounts } from 'cgroupfs-ts';
import { type Finding, ok, problem, warning } from './finding.ts';

const needed = ['cpu', 'cpuset', 'memory', 'pids'];

/** Whether limits of pods can be set, and whether OCI runtimes accept what is mounted. */
export function checkCgroups(): Finding[] {
  const mounts = readMounts();
  const present =
    mounts.mode === 'unified' ? unifiedControllers(mounts) : [...mounts.legacy.keys()];
  const missing = needed.filter((controller) => !present.includes(controller));
  if (missing.length > 0) {
    return [
      problem(
        'cgroups',
        `${mounts.mode} without controllers: ${missing.join(', ')}`,
        mounts.mode === 'unified'
          ? `echo "${missing.map((name) => `+${name}`).join(' ')}" > ${mounts.unified}/cgroup.subtree_control`
          : missing.map(mountCommand).join('; '),
      ),
    ];
  }
  return [
    ok('cgroups', `${describeMode(mounts)}: ${present.join(', ')}`),
    ...hybridFindings(mounts),
  ];
}

function describeMode({ mode }: CgroupMounts): string {
  return { unified: 'v2', legacy: 'v1', hybrid: 'v1 beside v2' }[mode];
}

function unifiedControllers({ unified }: CgroupMounts): string[] {
  return unified === undefined ? [] : words(join(unified, 'cgroup.controllers'));
}

/** crun refuses a mix in which a controller is left on v2. */
function hybridFindings(mounts: CgroupMounts): Finding[] {
  if (mounts.mode !== 'hybrid') return [];
  const left = unifiedControllers(mounts);
  if (left.length === 0) return [];
  const detail = `on v2 beside v1: ${left.join(', ')}; crun refuses that`;
  return [warning('cgroups: hybrid', detail, left.map(mountCommand).join('; '))];
}

function mountCommand(controller: string): string {
  const folder = `/sys/fs/cgroup/${controller}`;
  return `mkdir -p ${folder} && mount -t cgroup -o ${controller} cgroup ${folder}`;
}

function words(path: string): string[] {
  try {
    return readText(path).trim().split(/\s+/).filter(Boolean);
  } catch {
    return [];
  }
}
