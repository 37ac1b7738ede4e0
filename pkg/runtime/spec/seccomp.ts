import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { constants as systemConstants } from 'node:os';
import { isAbsolute } from 'node:path';
import type { LinuxSeccomp, LinuxSeccompArg, LinuxSyscall } from '#api/oci/runtime.ts';
import { Fault } from '#errors/fault.ts';
import {
  allowedByArchitecture,
  allowedByCapability,
  alwaysAllowed,
  architectures,
} from './seccomp-default.ts';
import { parseSeccomp } from './seccomp-form.ts';

const maxProfileBytes = 4 << 20;

/**
 * socket(2): all address families but AF_ALG (38), the kernel's cryptography with its record of
 * holes, and AF_VSOCK (40), which no network namespace confines.
 */
const socketRules = [
  // The kernel reads 32 bits of the family, a filter compares 64: "greater than 40" would let
  // AF_VSOCK through with a bit set above these. So the later families, up to AF_MCTP, are listed.
  allowWhen('socket', { index: 0, op: 'SCMP_CMP_LT', value: 38 }),
  ...[39, 41, 42, 43, 44, 45].map((value) =>
    allowWhen('socket', { index: 0, op: 'SCMP_CMP_EQ', value }),
  ),
];

/** personality(2): PER_LINUX, PER_LINUX32, each with UNAME26 too, and asking which one it is. */
const personalityRules = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff].map((value) =>
  allowWhen('personality', { index: 0, op: 'SCMP_CMP_EQ', value }),
);

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: clone(2). */
const namespaceFlags = 0x7e020000;

/**
 * The RuntimeDefault profile of a container with these capabilities in its bounding set. It does
 * what containerd's does, except that it refuses address families that the kernel has not got.
 */
export function defaultSeccomp(
  capabilities: readonly string[],
  architecture: NodeJS.Architecture,
): LinuxSeccomp {
  const allowed = new Set([
    ...alwaysAllowed,
    ...(allowedByArchitecture[architecture] ?? []),
    ...capabilities.flatMap((capability) => allowedByCapability[capability] ?? []),
  ]);
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: architectures[architecture] ?? [],
    syscalls: [
      { names: [...allowed], action: 'SCMP_ACT_ALLOW' },
      ...socketRules,
      ...personalityRules,
      ...(allowed.has('clone') ? [] : cloneRules(architecture)),
    ],
  };
}

/**
 * The localhost profile in this file: JSON of the OCI form, at an absolute path, as kubelet passes
 * it. Any failure is an `invalid-argument` that names the path, caused by one that names the field.
 */
export function loadSeccompProfile(path: string): LinuxSeccomp {
  try {
    return parseSeccomp(JSON.parse(readProfile(path)));
  } catch (cause) {
    throw new Fault('invalid-argument', `load seccomp profile "${path}"`, { cause });
  }
}

/** New processes and threads, but not in new namespaces. */
function cloneRules(architecture: NodeJS.Architecture): LinuxSyscall[] {
  // s390 has clone(2)'s first two arguments the other way round.
  const index = architecture === 's390x' ? 1 : 0;
  return [
    allowWhen('clone', { index, op: 'SCMP_CMP_MASKED_EQ', value: namespaceFlags, valueTwo: 0 }),
    // A filter cannot see clone3's flags, which are in memory: at ENOSYS libc falls back on clone.
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: systemConstants.errno.ENOSYS },
  ];
}

function allowWhen(name: string, arg: LinuxSeccompArg): LinuxSyscall {
  return { names: [name], action: 'SCMP_ACT_ALLOW', args: [arg] };
}

function readProfile(path: string): string {
  if (!isAbsolute(path)) throw new Fault('invalid-argument', 'the path is not absolute');
  // Without O_NONBLOCK, opening a fifo would hold up the daemon until somebody writes to it.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Fault('invalid-argument', 'not a regular file');
    if (stat.size > maxProfileBytes)
      throw new Fault('invalid-argument', `larger than ${maxProfileBytes} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
