import { allowRlimit, type RlimitName } from '#linux/rlimits.ts';
import type { Log } from '#log/log.ts';
import type { BlockioClass } from '#runtime/container/blockio.ts';
import { given } from '#runtime/given.ts';
import type { NodeLimits } from '#runtime/spec/spec.ts';
import { parseRlimit, type RuntimeConfig } from './config-runtime.ts';

/** The configured rlimits of containers, as far as this process may give them. */
export function allowRlimits({ rlimits }: RuntimeConfig, log: Log): NodeLimits['rlimits'] {
  return rlimitEntries(rlimits).map(([name, text]) => {
    const wanted = parseRlimit(text);
    const limit = allowRlimit(name, wanted);
    if (limit.soft !== wanted.soft || limit.hard !== wanted.hard) {
      const fields = { rlimit: name, wanted: text, given: `${limit.soft}:${limit.hard}` };
      log.warn(fields, 'containers get less than runtime.rlimits says: this process has no more');
    }
    return { type: `RLIMIT_${name.toUpperCase()}`, ...limit };
  });
}

function rlimitEntries(rlimits: RuntimeConfig['rlimits']): [RlimitName, string][] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys that the schema has
  return Object.entries(rlimits) as [RlimitName, string][];
}

/** The configured classes in the runtime's own words. */
export function blockioClasses({ blockio }: RuntimeConfig): ReadonlyMap<string, BlockioClass> {
  const entries = Object.entries(blockio).map(([name, { weight, devices }]) => {
    const limited = devices.map((device) => ({
      path: device.path,
      ...given({
        readBytesPerSecond: device.read_bytes_per_second,
        writeBytesPerSecond: device.write_bytes_per_second,
        readsPerSecond: device.reads_per_second,
        writesPerSecond: device.writes_per_second,
      }),
    }));
    return [name, { ...given({ weight }), devices: limited }] as const;
  });
  return new Map(entries);
}
