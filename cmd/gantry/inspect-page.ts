import type { CgroupLimits, CgroupStats } from 'cgroupfs-ts';
import type { PodView } from '#admin/pod-json.ts';
import type { Operation } from '#trace/tracer.ts';
import type { ContainerFacts, ProcessFact } from './container-facts.ts';
import type { LiveFacts } from './inspect.ts';
import type { PodFacts } from './pod-facts.ts';
import { formatBytes } from './sizes.ts';
import { printable, styled, styleOfState } from './style.ts';
import { alignedLines, type Cell } from './table.ts';
import { ago } from './times.ts';
import { formatMs } from './waterfall.ts';

/** A heading on the left and what there is to tell under it. */
type Section = readonly [heading: string, rows: readonly (readonly Cell[])[]];

export function containerPage(facts: ContainerFacts, live: LiveFacts): string {
  const { container, pod, process: spec, namespaces, mounts, rootfs, monitor } = facts;
  return page([
    ['Container', [[`${pod.namespace}/${pod.name}/${container.name}`], [container.id]]],
    ['State', stateRows(container)],
    ['Pod', [[pod.id.slice(0, 12), { text: pod.state, style: styleOfState(pod.state) }]]],
    ['Image', [[container.image.name], [container.image.id], [container.image.ref]]],
    ['Command', spec === undefined ? [] : commandRows(spec)],
    ['Namespaces', namespaces.map(({ type, inode, of }) => [type, String(inode), of])],
    ['Cgroup', [[facts.cgroup.path]]],
    ['', cgroupRows(facts.cgroup)],
    ['Root', rootfs === undefined ? [['not mounted']] : rootRows(rootfs)],
    ['Mounts', mounts.filter(isFromNode).map(mountRow)],
    ['Network', networkRows(pod, live)],
    ['Log', [[container.logPath || 'none']]],
    ['Monitor', monitor === undefined ? [['none']] : [[String(monitor.pid), programOf(monitor)]]],
    ['Runtime', [[container.runtimeHandler]]],
    ['Processes', facts.processes.map(({ pid, state, command }) => [String(pid), state, command])],
    ['Events', eventRows(container, live)],
    ['Operations', live.operations.map(operationRow)],
  ]);
}

export function podPage({ pod, namespaces, folder }: PodFacts, live: LiveFacts): string {
  return page([
    [
      'Pod',
      [[`${pod.namespace}/${pod.name}`], [pod.id], [`uid ${pod.uid}, attempt ${pod.attempt}`]],
    ],
    ['State', [[{ text: pod.state, style: styleOfState(pod.state) }], createdRow(pod)]],
    ['Network', networkRows(pod, live)],
    ['Runtime', [[pod.runtimeHandler || 'the default one']]],
    ['Namespaces', namespaces.map(({ type, inode, pinned }) => [type, String(inode), pinned])],
    ['Folder', [[folder]]],
    ['Labels', Object.entries(pod.labels).map(([key, value]) => [key, value])],
    ['Annotations', Object.entries(pod.annotations).map(([key, value]) => [key, value])],
    [
      'Containers',
      pod.containers.map(({ id, name, state, exitCode, image }) => [
        id.slice(0, 12),
        name,
        { text: state, style: styleOfState(state, exitCode) },
        image.name,
      ]),
    ],
    ['Events', live.events.map(eventRow)],
    ['Operations', live.operations.map(operationRow)],
  ]);
}

/** Its arguments would fill the page; --json has them. */
function programOf({ command }: ProcessFact): string {
  return command.split(' ')[0] ?? command;
}

const headingWidth = 12;

function page(sections: readonly Section[]): string {
  const lines = sections.flatMap(([heading, rows]) =>
    alignedLines(rows).map((line, n) => {
      const left = (n === 0 ? heading : '').padEnd(headingWidth);
      return `${styled('bold', left)}${line}\n`;
    }),
  );
  return lines.join('');
}

function stateRows(container: ContainerFacts['container']): Cell[][] {
  const { state, exitCode, reason = '', message = '', pid, attempt } = container;
  const text = exitCode === undefined ? state : `${state} with ${exitCode} ${reason}`.trim();
  return [
    [{ text, style: styleOfState(state, exitCode) }],
    ...(message === '' ? [] : [[message]]),
    ...(pid === undefined ? [] : [[`pid ${pid}`]]),
    createdRow(container),
    ...(container.startedAt === undefined ? [] : [timeRow('started', container.startedAt)]),
    ...(container.finishedAt === undefined ? [] : [timeRow('ended', container.finishedAt)]),
    [`${attempt} restarts`],
  ];
}

function createdRow({ createdAt }: { readonly createdAt: string }): Cell[] {
  return timeRow('made', createdAt);
}

function timeRow(what: string, time: string): Cell[] {
  return [`${what} ${time} (${ago(time, Date.now())} ago)`];
}

function commandRows({ args, cwd, user, env }: NonNullable<ContainerFacts['process']>): Cell[][] {
  return [
    [args.map(quoted).join(' ')],
    [`as ${user.uid}:${user.gid} in ${cwd}, ${env.length} variables`],
  ];
}

/** As a shell would need it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function cgroupRows({ use, limits }: ContainerFacts['cgroup']): Cell[][] {
  if (use === undefined) return [['there is no such cgroup now']];
  return [memoryRow(use), cpuRow(use, limits), pidsRow(use), ...pressureRows(use)];
}

function memoryRow({ memory }: CgroupStats): Cell[] {
  const { workingSetBytes, usageBytes, limitBytes, oomKills } = memory ?? {};
  return [
    'memory',
    `${bytes(workingSetBytes)} in use (${bytes(usageBytes)} with caches)`,
    limitBytes === undefined ? 'no limit' : `of ${bytes(limitBytes)}`,
    oomKills === undefined || oomKills === 0 ? '' : `${oomKills} killed for want of memory`,
  ];
}

function cpuRow({ cpu }: CgroupStats, limits: CgroupLimits | undefined): Cell[] {
  const { quotaUs, periodUs = 100_000 } = limits?.cpu ?? {};
  const limit = typeof quotaUs === 'number' ? `of ${quotaUs / periodUs} cores` : 'no limit';
  const { usageUs = 0, throttledPeriods = 0 } = cpu ?? {};
  const throttled = throttledPeriods === 0 ? '' : `throttled ${throttledPeriods} times`;
  return ['cpu', `${formatMs(usageUs / 1000)} so far`, limit, throttled];
}

function pidsRow({ pids }: CgroupStats): Cell[] {
  const limit = pids?.limit === undefined ? 'no limit' : `of ${pids.limit}`;
  return ['pids', String(pids?.current ?? '-'), limit];
}

/** How long its processes waited, of the last ten seconds; the kernel may not tell. */
function pressureRows({ pressure }: CgroupStats): Cell[][] {
  return Object.entries(pressure ?? {}).flatMap(([resource, stalls]) => {
    const percent = stalls?.some?.avg10Percent;
    return percent === undefined ? [] : [[`${resource} pressure`, `${percent} %`]];
  });
}

function bytes(count: number | undefined): string {
  return count === undefined ? '-' : formatBytes(count);
}

function rootRows({ path, filesystem, upper, lowers }: NonNullable<ContainerFacts['rootfs']>) {
  return [
    [path, filesystem],
    ...(upper === undefined ? [] : [[upper, 'what it wrote']]),
    ...lowers.map((lower) => [lower, 'layer']),
  ];
}

/** The kernel's own filesystems are the same in each container. */
function isFromNode({ source, type }: ContainerFacts['mounts'][number]): boolean {
  return source.startsWith('/') && type !== 'proc';
}

function mountRow({ destination, source, options }: ContainerFacts['mounts'][number]): Cell[] {
  const isReadOnly = options.includes('ro');
  return [destination, source, isReadOnly ? 'read-only' : ''];
}

function networkRows(
  { network, addresses }: Pick<PodView, 'network' | 'addresses'>,
  live: LiveFacts,
): Cell[][] {
  if (network === 'node') return [['the node’s']];
  const { network: seen, ports = [] } = live.network ?? {};
  return [
    [addresses.join(', ') || 'no address'],
    ...(seen?.interfaces ?? []).map(({ name, peer, bridge, mac }) => [
      name,
      [peer === undefined ? '' : `to ${peer}`, bridge === undefined ? '' : `on ${bridge}`]
        .join(' ')
        .trim(),
      mac,
    ]),
    ...ports.map(({ protocol, hostPort, podAddress, containerPort }) => [
      `port ${hostPort}/${protocol}`,
      `to ${podAddress} ${containerPort}`,
    ]),
  ];
}

function eventRows(
  { createdAt, startedAt, finishedAt }: ContainerFacts['container'],
  { events }: LiveFacts,
): Cell[][] {
  if (events.length > 0) return events.map(eventRow);
  // They are kept for some minutes only, and not while the daemon is down.
  const times = { stopped: finishedAt, started: startedAt, created: createdAt };
  return Object.entries(times).flatMap(([what, at]) => (at === undefined ? [] : [[at, what]]));
}

function eventRow({ at, kind, container }: LiveFacts['events'][number]): Cell[] {
  const { exitCode, reason = '' } = container ?? {};
  return [at, kind, exitCode === undefined ? '' : `${exitCode} ${reason}`.trim()];
}

function operationRow({ name, startedAtMs, durationMs, error }: Operation): Cell[] {
  const took = durationMs === undefined ? 'goes on' : formatMs(durationMs);
  const outcome: Cell = error === undefined ? '' : { text: printable(error), style: 'red' };
  return [new Date(startedAtMs).toISOString(), name, took, outcome];
}
