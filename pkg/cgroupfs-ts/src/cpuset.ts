import type { Write } from './control-file.ts';
import type { ControlFiles } from './controller.ts';
import { refuse } from './plan.ts';

/** Where processes may run and have their memory: lists of numbers and ranges, as in `0-3,7`. */
export type CpusetLimits = {
  readonly cpus?: string | undefined;
  /** Memory nodes. */
  readonly mems?: string | undefined;
};

/** A list of cpuset(7), "List format". */
const list = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

export async function planCpuset(files: ControlFiles, limits: CpusetLimits): Promise<Write[]> {
  return [...planList(files, 'cpus', limits), ...planList(files, 'mems', limits)];
}

/** What was set; undefined where nothing was, which in v2 means the same as the parent. */
export async function readCpusetLimits(files: ControlFiles): Promise<CpusetLimits> {
  const read = async (name: keyof CpusetLimits) =>
    (await files.read(`cpuset.${name}`))?.trim() || undefined;
  return { cpus: await read('cpus'), mems: await read('mems') };
}

function planList(files: ControlFiles, name: keyof CpusetLimits, limits: CpusetLimits): Write[] {
  const value = limits[name];
  if (value === undefined) return [];
  const write = { file: `cpuset.${name}`, value };
  return list.test(value) ? [write] : refuse(files, write, 'not a list as in "0-3,7"');
}
