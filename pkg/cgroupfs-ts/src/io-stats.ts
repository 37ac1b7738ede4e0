import type { FindStatFiles, StatFiles } from './controller.ts';
import { deviceOf, linesOf, toNested } from './format.ts';

/** What was read and written so far, for each block device. */
export type IoStats = {
  readonly major: number;
  readonly minor: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly discardedBytes: number;
  readonly reads: number;
  readonly writes: number;
  readonly discards: number;
};

/** One item for each device that was used; undefined when no hierarchy counts. */
export function ioStats(find: FindStatFiles): IoStats[] | undefined {
  const files = find('io');
  if (files === undefined) return undefined;
  const devices = files.version === 1 ? legacyCounters(files) : unifiedCounters(files);
  return devices && [...devices].map(([device, counters]) => statsOf(device, counters));
}

/** The counters of a device, by the keys of v2's `io.stat`. */
type Counters = ReadonlyMap<string, string>;

function unifiedCounters(files: StatFiles) {
  const text = files.read('io.stat');
  return text === undefined
    ? undefined
    : new Map(toNested(text).map(({ key, values }) => [key, values]));
}

const legacyKeys = new Map([
  ['Read', 'r'],
  ['Write', 'w'],
  ['Discard', 'd'],
]);

/** Lines as in `8:0 Read 4096`. Those of blkio.throttle count whatever scheduler a device has. */
function legacyCounters(files: StatFiles): Map<string, Counters> | undefined {
  const bytes = readRecursive(files, 'blkio.throttle.io_service_bytes');
  const operations = readRecursive(files, 'blkio.throttle.io_serviced');
  if (bytes === undefined) return undefined;
  const devices = new Map<string, Map<string, string>>();
  for (const [text, unit] of [[bytes, 'bytes'] as const, [operations, 'ios'] as const]) {
    for (const [device = '', kind = '', count = ''] of linesOf(text).map((line) =>
      line.split(' '),
    )) {
      const key = legacyKeys.get(kind);
      if (key === undefined) continue;
      const counters = devices.get(device) ?? new Map<string, string>();
      devices.set(device, counters.set(key + unit, count));
    }
  }
  return devices;
}

/** With those below; kernels before 5.0 count for the cgroup alone. */
function readRecursive(files: StatFiles, file: string): string | undefined {
  return files.read(`${file}_recursive`) ?? files.read(file);
}

function statsOf(device: string, counters: Counters): IoStats {
  const count = (key: string) => Number(counters.get(key) ?? 0);
  return {
    ...deviceOf(device),
    readBytes: count('rbytes'),
    writtenBytes: count('wbytes'),
    discardedBytes: count('dbytes'),
    reads: count('rios'),
    writes: count('wios'),
    discards: count('dios'),
  };
}
