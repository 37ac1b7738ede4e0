import type { Write } from './control-file.ts';
import type { ControlFiles, FindFiles } from './controller.ts';
import { refuse } from './plan.ts';
import { linesOf } from './format.ts';

/** Which device files may be used. v1 only: in v2 an eBPF program decides, for which there is no file. */
export type DeviceRule = {
  readonly isAllowed: boolean;
  /** Block, character, or all: then without numbers. */
  readonly type: 'a' | 'b' | 'c';
  /** Absent for all. */
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  /** Some of `r` (read), `w` (write) and `m` (mknod). */
  readonly access: string;
};

/** The rules in their order: a later one may take back an earlier one. */
export async function planDevices(
  files: ControlFiles,
  rules: readonly DeviceRule[],
): Promise<Write[]> {
  return rules.map((rule) => planRule(files, rule));
}

/** What is allowed; undefined when no v1 hierarchy says so. */
export async function readDeviceRules(find: FindFiles): Promise<DeviceRule[] | undefined> {
  const text = await find('devices')?.read('devices.list');
  return text === undefined ? undefined : linesOf(text).flatMap(parseRule);
}

function planRule(files: ControlFiles, rule: DeviceRule): Write {
  const { isAllowed, type, major, minor, access } = rule;
  const file = isAllowed ? 'devices.allow' : 'devices.deny';
  const write = { file, value: `${type} ${major ?? '*'}:${minor ?? '*'} ${access}` };
  if (files.version === 2) return refuse(files, write, 'cgroup v2 has no files for devices');
  // The kernel would take `a` with numbers, and apply it to all.
  const isSound = /^(a \*:\*|[bc] (\d+|\*):(\d+|\*)) [rwm]{1,3}$/.test(write.value);
  return isSound ? write : refuse(files, write, 'not a rule for devices');
}

function parseRule(line: string): DeviceRule[] {
  const [, type, major, minor, access = ''] = /^([abc]) (\d+|\*):(\d+|\*) (\w+)$/.exec(line) ?? [];
  if (type !== 'a' && type !== 'b' && type !== 'c') return [];
  return [{ isAllowed: true, type, major: numberOf(major), minor: numberOf(minor), access }];
}

function numberOf(text: string | undefined): number | undefined {
  return text === '*' ? undefined : Number(text);
}
