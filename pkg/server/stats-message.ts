import type { CgroupStats } from 'cgroupfs-ts';
import type { Images } from '#image/images.ts';
import type { UnixNanos } from '#runtime/clock.ts';
import type { Interface } from '#runtime/stats/pod-traffic.ts';
import type { Reading } from '#runtime/stats/stats-readers.ts';
import type { WireWriter } from './wire-writer.ts';

/**
 * The messages of statistics, by the numbers of their fields in api.proto. What is unknown is left out:
 * kubelet takes a zero for a zero.
 */

type Pressure = NonNullable<CgroupStats['pressure']>['cpu'];

/** CpuUsage. */
export function writeCpu(to: WireWriter, field: number, { at, cgroup, nanoCores }: Reading): void {
  const { cpu, pressure } = cgroup;
  if (cpu === undefined) return;
  const mark = to.begin(field);
  to.uint(1, at);
  writeNumber(to, 2, cpu.usageUs === undefined ? undefined : cpu.usageUs * 1000);
  writeNumber(to, 3, nanoCores);
  writePressure(to, 4, pressure?.cpu);
  to.end(mark);
}

/** MemoryUsage. */
export function writeMemory(to: WireWriter, field: number, { at, cgroup }: Reading): void {
  const { memory, pressure } = cgroup;
  if (memory === undefined) return;
  const mark = to.begin(field);
  to.uint(1, at);
  writeNumber(to, 2, memory.workingSetBytes);
  writeNumber(to, 3, left(memory.limitBytes, memory.workingSetBytes));
  writeNumber(to, 4, memory.usageBytes);
  writeNumber(to, 5, memory.anonBytes);
  writeNumber(to, 6, memory.pageFaults);
  writeNumber(to, 7, memory.majorPageFaults);
  writePressure(to, 8, pressure?.memory);
  to.end(mark);
}

/** SwapUsage. */
export function writeSwap(to: WireWriter, field: number, { at, cgroup }: Reading): void {
  const { swapBytes, swapLimitBytes } = cgroup.memory ?? {};
  if (swapBytes === undefined) return;
  const mark = to.begin(field);
  to.uint(1, at);
  writeNumber(to, 2, left(swapLimitBytes, swapBytes));
  writeNumber(to, 3, swapBytes);
  to.end(mark);
}

/** IoUsage, which is nothing but the pressure. */
export function writeIo(to: WireWriter, field: number, { at, cgroup }: Reading): void {
  const pressure = cgroup.pressure?.io;
  if (pressure === undefined) return;
  const mark = to.begin(field);
  to.uint(1, at);
  writePressure(to, 2, pressure);
  to.end(mark);
}

/** FilesystemUsage of what a container has written over its image, once it is measured. */
export function writeWritableLayer(
  to: WireWriter,
  field: number,
  { images, containerId, activity }: Subject,
): void {
  const usage = images.rootfsUsage(containerId, activity);
  if (usage === undefined) return;
  const mark = to.begin(field);
  to.uint(1, usage.measuredAtMs * 1e6);
  const filesystem = to.begin(2);
  to.text(1, images.root);
  to.end(filesystem);
  writeNumber(to, 3, usage.usedBytes);
  writeNumber(to, 4, usage.inodes);
  to.end(mark);
}

type Subject = {
  readonly images: Pick<Images, 'root' | 'rootfsUsage'>;
  readonly containerId: string;
  /** Processor time used: without any, nothing was written. */
  readonly activity: number | undefined;
};

/** NetworkUsage of a pod that has a network of its own. */
export function writeNetwork(
  to: WireWriter,
  field: number,
  { at, links }: { readonly at: UnixNanos; readonly links: readonly Interface[] | undefined },
): void {
  if (links === undefined) return;
  const main = links.find(({ name }) => name === 'eth0') ?? links[0];
  const mark = to.begin(field);
  to.uint(1, at);
  for (const link of links) writeInterface(to, link === main ? 2 : 3, link);
  to.end(mark);
}

/** ProcessUsage. */
export function writeProcesses(
  to: WireWriter,
  field: number,
  { at, count }: { readonly at: UnixNanos; readonly count: number },
): void {
  const mark = to.begin(field);
  to.uint(1, at);
  writeNumber(to, 2, count);
  to.end(mark);
}

function writeInterface(to: WireWriter, field: number, { name, received, sent }: Interface): void {
  const mark = to.begin(field);
  to.text(1, name);
  writeNumber(to, 2, received.bytes);
  writeNumber(to, 3, received.errors);
  writeNumber(to, 4, sent.bytes);
  writeNumber(to, 5, sent.errors);
  to.end(mark);
}

/** PsiStats. */
function writePressure(to: WireWriter, field: number, pressure: Pressure): void {
  if (pressure === undefined) return;
  const mark = to.begin(field);
  writeStall(to, 1, pressure.full);
  writeStall(to, 2, pressure.some);
  to.end(mark);
}

/** PsiData. */
function writeStall(to: WireWriter, field: number, stall: NonNullable<Pressure>['some']): void {
  if (stall === undefined) return;
  const mark = to.begin(field);
  to.uint(1, stall.totalUs * 1000);
  to.double(2, stall.avg10Percent);
  to.double(3, stall.avg60Percent);
  to.double(4, stall.avg300Percent);
  to.end(mark);
}

/** A UInt64Value. */
function writeNumber(to: WireWriter, field: number, value: number | undefined): void {
  if (value === undefined) return;
  const mark = to.begin(field);
  to.uint(1, value);
  to.end(mark);
}

function left(limit: number | undefined, used: number | undefined): number | undefined {
  return limit === undefined || used === undefined ? undefined : Math.max(limit - used, 0);
}
