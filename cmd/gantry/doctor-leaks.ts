import { readText } from '#linux/read-file.ts';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCgroupfs } from 'cgroupfs-ts';
import type { PodView } from '#admin/pod-json.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import type { Folders } from './places.ts';
import { processesNaming } from './process-wait.ts';

const idForm = /[0-9a-f]{64}/;

/** What has an id in its name that no record has, and what records have that is gone. */
export function checkLeaks(
  pods: readonly PodView[],
  folders: Folders,
  cgroupParent?: string,
): Finding[] {
  const containers = pods.flatMap((pod) => pod.containers);
  const known = new Set([...pods, ...containers].map(({ id }) => id));
  const findings = [
    ...folderFindings(folders, known),
    ...mountFindings(folders, known),
    ...monitorFindings(folders, known),
    ...cgroupFindings(pods, cgroupParent),
    ...containers.flatMap((container) => unwatchedFinding(container, folders)),
  ];
  return findings.length > 0 ? findings : [ok('leaks', 'none')];
}

const restart = 'systemctl restart gantryd';

function folderFindings({ root, state }: Folders, known: ReadonlySet<string>): Finding[] {
  const parents = [join(state, 'sandboxes'), join(state, 'containers'), join(root, 'containers')];
  return parents.flatMap((parent) =>
    namesIn(parent)
      .filter((name) => idForm.test(name) && !known.has(name))
      .map((name) => warning('leaks: folder', `${join(parent, name)} is of no pod`, restart)),
  );
}

function mountFindings({ root, state }: Folders, known: ReadonlySet<string>): Finding[] {
  const points = readText('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${state}/`) || point.startsWith(`${root}/`));
  return points
    .filter((point) => isOfUnknown(point, known))
    .map((point) => warning('leaks: mount', `${point} is of no pod`, `umount ${point}`));
}

function monitorFindings({ state }: Folders, known: ReadonlySet<string>): Finding[] {
  return processesNaming(join(state, 'exits')).flatMap((pid) => {
    const id = idForm.exec(commandOf(pid))?.[0];
    if (id === undefined || known.has(id)) return [];
    return [warning('leaks: monitor', `process ${pid} watches container ${id}`, `kill ${pid}`)];
  });
}

/** Beside the cgroups of containers that there are, and where those of pods without a parent are. */
function cgroupFindings(pods: readonly PodView[], usual: string | undefined): Finding[] {
  const { mounts } = openCgroupfs();
  const roots = new Set(
    [mounts.unified, ...mounts.legacy.values()].filter((it) => it !== undefined),
  );
  const paths = pods.flatMap(({ containers }) => containers.map(({ cgroupPath }) => cgroupPath));
  const parents = new Set(paths.map((path) => path.slice(0, path.lastIndexOf('/'))));
  if (usual !== undefined) parents.add(usual);
  const known = new Set(
    [...pods, ...pods.flatMap(({ containers }) => containers)].map(({ id }) => id),
  );
  const left = [...roots].flatMap((top) =>
    [...parents].flatMap((parent) =>
      namesIn(join(top, parent))
        .filter((name) => isOfUnknown(name, known))
        .map((name) => join(top, parent, name)),
    ),
  );
  return left.map((path) => warning('leaks: cgroup', `${path} is of no pod`, `rmdir ${path}`));
}

function unwatchedFinding(
  { id, name, state }: PodView['containers'][number],
  folders: Folders,
): Finding[] {
  if (state !== 'running') return [];
  const pidFile = join(folders.state, 'containers', id, 'conmon.pid');
  const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0;
  // A monitor that is new has not written its pid yet.
  if ([pid, ...(pid === 0 ? processesNaming(id) : [])].some((each) => commandOf(each).includes(id)))
    return [];
  const detail = `container "${name}" (${id.slice(0, 12)}) runs without its monitor: no log, no exit code`;
  return [problem('monitor', detail, `crictl stop ${id.slice(0, 12)}`)];
}

function isOfUnknown(text: string, known: ReadonlySet<string>): boolean {
  const id = idForm.exec(text)?.[0];
  return id !== undefined && !known.has(id);
}

function commandOf(pid: number): string {
  try {
    return readText(`/proc/${pid}/cmdline`);
  } catch {
    return '';
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
