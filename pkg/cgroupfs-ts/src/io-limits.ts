import type { Write } from './control-file.ts';
import type { ControlFiles } from './controller.ts';
import { fulfil, refuse } from './plan.ts';
import { type Amount, deviceOf, linesOf, toAmount, toFlat, toNested, toNumber } from './format.ts';

/** Limits of reading and writing of block devices; v1 calls it blkio. */
export type IoLimits = {
  /** The part among siblings, 10 to 1000, usually 100, as in the OCI runtime spec. */
  readonly weight?: number | undefined;
  readonly devices?: readonly IoDeviceLimits[] | undefined;
};

/** Limits of one device; those that are not given stay. */
export type IoDeviceLimits = {
  readonly major: number;
  readonly minor: number;
  readonly readBytesPerSecond?: Amount | undefined;
  readonly writeBytesPerSecond?: Amount | undefined;
  readonly readsPerSecond?: Amount | undefined;
  readonly writesPerSecond?: Amount | undefined;
};

/** What each limit is called: a file in v1, a key in v2's `io.max`. */
const names = [
  ['readBytesPerSecond', 'blkio.throttle.read_bps_device', 'rbps'],
  ['writeBytesPerSecond', 'blkio.throttle.write_bps_device', 'wbps'],
  ['readsPerSecond', 'blkio.throttle.read_iops_device', 'riops'],
  ['writesPerSecond', 'blkio.throttle.write_iops_device', 'wiops'],
] as const;

/** Each is of one scheduler or policy of the kernel, and has effect on the devices which that serves. */
const weightFiles = {
  1: ['blkio.weight', 'blkio.bfq.weight'],
  2: ['io.weight', 'io.bfq.weight'],
} as const;

export async function planIo(files: ControlFiles, limits: IoLimits): Promise<Write[]> {
  const plan = files.version === 1 ? legacyDevice : unifiedDevice;
  const devices = (limits.devices ?? []).flatMap((device) => plan(files, device));
  return [...(await planWeight(files, limits)), ...devices];
}

export async function readIoLimits(files: ControlFiles): Promise<IoLimits> {
  const weight = await readWeight(files);
  const devices = files.version === 1 ? await legacyDevices(files) : await unifiedDevices(files);
  return { weight, devices };
}

async function planWeight(files: ControlFiles, { weight }: IoLimits): Promise<Write[]> {
  const existing = new Set(await files.list());
  const [usual] = weightFiles[files.version];
  const known = weightFiles[files.version].filter((file) => existing.has(file));
  return (known.length === 0 ? [usual] : known).flatMap((file) => {
    const writes = fulfil(files, { file, value: weight, min: 10, max: 1000 });
    return writes.map((write) =>
      file === 'io.weight' ? { file, value: String(unifiedWeight(Number(write.value))) } : write,
    );
  });
}

/** 10 to 1000 as 1 to 10000, as OCI runtimes convert it (crun(1), "blkio controller"). */
function unifiedWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

function legacyDevice(files: ControlFiles, device: IoDeviceLimits): Write[] {
  return names.flatMap(([name, file]) => {
    // 0 takes a limit away.
    const writes = fulfil(files, { file, value: device[name], min: 1, unlimited: '0' });
    return writes.map(({ value }) => ({ file, value: `${numberOf(files, device)} ${value}` }));
  });
}

function unifiedDevice(files: ControlFiles, device: IoDeviceLimits): Write[] {
  const file = 'io.max';
  const pairs = names.flatMap(([name, , key]) =>
    fulfil(files, { file, value: device[name], min: 1 }).map(({ value }) => `${key}=${value}`),
  );
  if (pairs.length === 0) return [];
  return [{ file, value: [numberOf(files, device), ...pairs].join(' ') }];
}

function numberOf(files: ControlFiles, { major, minor }: IoDeviceLimits): string {
  const number = `${major}:${minor}`;
  if (/^\d+:\d+$/.test(number)) return number;
  return refuse(files, { file: 'io.max', value: number }, 'not the number of a device');
}

async function readWeight(files: ControlFiles): Promise<number | undefined> {
  if (files.version === 1) {
    const texts = await Promise.all(weightFiles[1].map((file) => files.read(file)));
    return toNumber(texts.find((text) => text !== undefined));
  }
  const bfq = toFlat(await files.read('io.bfq.weight')).get('default');
  const weight = toFlat(await files.read('io.weight')).get('default');
  return bfq ?? (weight === undefined ? undefined : Math.round(10 + ((weight - 1) * 990) / 9999));
}

async function unifiedDevices(files: ControlFiles): Promise<IoDeviceLimits[] | undefined> {
  const text = await files.read('io.max');
  if (text === undefined) return undefined;
  return toNested(text).map(({ key, values }) => {
    const limits = names.map(([name, , short]) => [name, toAmount(values.get(short))]);
    return { ...deviceOf(key), ...Object.fromEntries(limits) };
  });
}

/** Each file has the devices that have this limit. */
async function legacyDevices(files: ControlFiles): Promise<IoDeviceLimits[] | undefined> {
  const devices = new Map<string, IoDeviceLimits>();
  for (const [name, file] of names) {
    const text = await files.read(file);
    if (text === undefined) return undefined;
    for (const [number = '', value] of linesOf(text).map((line) => line.split(' '))) {
      const device = devices.get(number) ?? deviceOf(number);
      devices.set(number, { ...device, [name]: toAmount(value) });
    }
  }
  return [...devices.values()];
}
