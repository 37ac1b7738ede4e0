import { type Write, writeControl } from './control-file.ts';
import { type ControlFiles, controlFiles, type FindFiles } from './controller.ts';
import { type CpuLimits, planCpu, readCpuLimits } from './cpu-limits.ts';
import { type CpusetLimits, planCpuset, readCpusetLimits } from './cpuset.ts';
import { type DeviceRule, planDevices } from './devices.ts';
import { CgroupError } from './error.ts';
import { unlessEmpty } from './format.ts';
import { type HugetlbLimits, planHugetlb, readHugetlbLimits } from './hugetlb.ts';
import { type IoLimits, planIo, readIoLimits } from './io-limits.ts';
import { type MemoryLimits, planMemory, readMemoryLimits } from './memory-limits.ts';
import type { CgroupMounts } from './mounts.ts';
import { type PidsLimits, planPids, readPidsLimits } from './pids.ts';
import { planUnified, type UnifiedLimits } from './unified.ts';

/** What a cgroup may use at most. What is not given stays as it is. */
export type CgroupLimits = {
  readonly memory?: MemoryLimits | undefined;
  readonly pids?: PidsLimits | undefined;
  readonly cpu?: CpuLimits | undefined;
  readonly cpuset?: CpusetLimits | undefined;
  readonly io?: IoLimits | undefined;
  readonly hugetlb?: HugetlbLimits | undefined;
  readonly devices?: readonly DeviceRule[] | undefined;
  readonly unified?: UnifiedLimits | undefined;
};

/**
 * Checks all limits, then writes them, those of memory first, which the kernel is most likely to
 * refuse: less than what is used. A refusal is a CgroupError, and what is written by then stays.
 */
export async function writeLimits(
  mounts: CgroupMounts,
  path: string,
  limits: CgroupLimits,
): Promise<void> {
  const find = controlFiles(mounts, path);
  const plan = planner(find, path);
  const plans = [
    await plan('memory', limits.memory, planMemory),
    await plan('pids', limits.pids, planPids),
    await plan('cpu', limits.cpu, planCpu),
    await plan('cpuset', limits.cpuset, planCpuset),
    await plan('io', limits.io, planIo),
    await plan('hugetlb', limits.hugetlb, planHugetlb),
    await plan('devices', limits.devices, planDevices),
    await plan('unified', limits.unified, planUnified),
  ];
  for (const write of plans.flat()) await write();
}

/** The limits in force, without `devices` and `unified`; undefined for what no hierarchy has. */
export async function readLimits(mounts: CgroupMounts, path: string): Promise<CgroupLimits> {
  const find = controlFiles(mounts, path);
  const read = async <Limits extends object>(
    controller: string,
    readFrom: (files: ControlFiles) => Promise<Limits>,
  ): Promise<Limits | undefined> => {
    const files = find(controller);
    return files && unlessEmpty(await readFrom(files));
  };
  return {
    memory: await read('memory', readMemoryLimits),
    pids: await read('pids', readPidsLimits),
    cpu: await read('cpu', readCpuLimits),
    cpuset: await read('cpuset', readCpusetLimits),
    io: await read('io', readIoLimits),
    hugetlb: await read('hugetlb', readHugetlbLimits),
  };
}

/** Plans the writes for one controller. */
function planner(find: FindFiles, path: string) {
  return async <Limits>(
    controller: string,
    limits: Limits | undefined,
    plan: (files: ControlFiles, limits: Limits) => Promise<Write[]>,
  ): Promise<(() => Promise<void>)[]> => {
    if (limits === undefined) return [];
    const files = find(controller);
    if (files === undefined) {
      throw new CgroupError('limit', path, { reason: `no hierarchy has "${controller}"` });
    }
    const writes = await plan(files, limits);
    const place = { act: 'limit', path, directory: files.directory };
    return writes.map((write) => () => writeControl(place, write));
  };
}
