import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { openCgroupfs } from 'cgroupfs-ts';
import * as v from 'valibot';
import { snapshotKinds } from '#image/snapshots/backend.ts';
import { unlimited, type Rlimit } from '#linux/rlimits.ts';
import { type CgroupDriver, cgroupDrivers } from '#runtime/cgroup-path.ts';

const absolute = v.pipe(v.string(), v.check(isAbsolute, 'must be an absolute path'));
const program = v.pipe(v.string(), v.nonEmpty('must name a program'));
const handlerName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$/, 'must be a name as Kubernetes has them'),
);

const rlimitForm = /^(\d{1,19}|unlimited)(:(\d{1,19}|unlimited))?$/;
const rlimit = v.pipe(
  v.union([v.string(), v.number()], 'must be as "1024:524288"'),
  v.transform(String),
  v.regex(rlimitForm, 'must be as "1024:524288"'),
  v.check(
    (text) => !rlimitForm.test(text) || parseRlimit(text).soft <= parseRlimit(text).hard,
    'the first limit, the soft one, must not be above the second',
  ),
);

/** `soft:hard`, or one for both, as `docker run --ulimit` takes it. */
export function parseRlimit(text: string): Rlimit {
  const [soft = 0n, hard = soft] = text
    .split(':')
    .map((part) => (part === 'unlimited' ? unlimited : BigInt(part)));
  return { soft, hard };
}

/** Those without a default are the daemon's own. */
const rlimits = v.strictObject({
  core: v.optional(rlimit, 'unlimited'),
  // More makes programs slow that close every descriptor that they might have.
  nofile: v.optional(rlimit, '1024:524288'),
  // Processes are counted by cgroups; this limit counts all of a user on the node.
  nproc: v.optional(rlimit, 'unlimited'),
  as: v.optional(rlimit),
  cpu: v.optional(rlimit),
  data: v.optional(rlimit),
  fsize: v.optional(rlimit),
  locks: v.optional(rlimit),
  memlock: v.optional(rlimit),
  msgqueue: v.optional(rlimit),
  nice: v.optional(rlimit),
  rss: v.optional(rlimit),
  rtprio: v.optional(rlimit),
  rttime: v.optional(rlimit),
  sigpending: v.optional(rlimit),
  stack: v.optional(rlimit),
});

const handler = v.strictObject({
  path: program,
  options: v.optional(v.array(v.string()), []),
  snapshotter: v.optional(v.picklist(snapshotKinds)),
  cgroup_driver: v.optional(v.picklist(cgroupDrivers)),
});

const rate = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)));

/** Limits on block devices, which pods ask for by the name of the class. */
const blockioClass = v.strictObject({
  weight: v.optional(v.pipe(v.number(), v.integer(), v.minValue(10), v.maxValue(1000))),
  devices: v.optional(
    v.array(
      v.strictObject({
        path: absolute,
        read_bytes_per_second: rate,
        write_bytes_per_second: rate,
        reads_per_second: rate,
        writes_per_second: rate,
      }),
    ),
    [],
  ),
});

/** The section `runtime` of the configuration. */
export const runtimeSchema = v.strictObject({
  default_handler: v.optional(v.string(), 'crun'),
  monitor: v.optional(program, 'conmon'),
  init: v.optional(program, 'catatonit'),
  cdi_spec_dirs: v.optional(v.array(absolute), ['/etc/cdi', '/var/run/cdi']),
  required_mounts: v.optional(v.array(absolute), []),
  cgroup_driver: v.optional(v.picklist(cgroupDrivers), nodeCgroupDriver),
  rlimits: v.optional(rlimits, {}),
  blockio: v.optional(v.record(v.string(), blockioClass), {}),
  handlers: v.optional(v.record(handlerName, handler), {
    crun: { path: 'crun' },
    runc: { path: 'runc' },
  }),
});

export type RuntimeConfig = v.InferOutput<typeof runtimeSchema>;

/** Whether systemd runs the node (sd_booted(3)). */
export function isSystemdNode(): boolean {
  return existsSync('/run/systemd/system');
}

/** There is one who makes cgroups on a node, and on cgroup v2 systemd claims to be that. */
function nodeCgroupDriver(): CgroupDriver {
  return isSystemdNode() && openCgroupfs().mounts.mode === 'unified' ? 'systemd' : 'cgroupfs';
}

/** Whether some pod's cgroup could be made by systemd. */
export function usesSystemd({ cgroup_driver: node, handlers }: RuntimeConfig): boolean {
  return Object.values(handlers).some(({ cgroup_driver: own }) => (own ?? node) === 'systemd');
}
