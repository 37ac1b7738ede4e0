import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { allCapabilities } from '#linux/capabilities.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** What the kernel has, and lets us use. */
export function checkKernel(): Finding[] {
  return [
    versionFinding(),
    overlayFinding(),
    ...namespaceFindings(),
    seccompFinding(),
    pressureFinding(),
    ...capabilityFindings(),
    ...sysctlFindings(),
  ];
}

/** clone3, pidfd_open, openat2: 5.6. */
const oldestVersion = 5.06;
/** Mounts with mapped owners of overlayfs: 5.19, for pods with user namespaces. */
const mappedVersion = 5.19;

function versionFinding(): Finding {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const version = major + minor / 100;
  if (version < oldestVersion) {
    return problem('kernel: version', `${release()} is too old: Gantry needs 5.6 or newer`);
  }
  return version < mappedVersion
    ? warning('kernel: version', `${release()}: pods with user namespaces need 5.19 or newer`)
    : ok('kernel: version', release());
}

function overlayFinding(): Finding {
  const check = 'kernel: overlayfs';
  if (/\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'))) return ok(check, 'there');
  const detail = 'not loaded; image.snapshotter "overlay" needs it';
  return problem(check, detail, 'modprobe overlay');
}

function namespaceFindings(): Finding[] {
  const kinds = ['net', 'ipc', 'uts', 'pid', 'mnt', 'user', 'cgroup'];
  const missing = kinds.filter((kind) => !existsSync(`/proc/self/ns/${kind}`));
  const found =
    missing.length > 0
      ? problem('kernel: namespaces', `the kernel has none of these kinds: ${missing.join(', ')}`)
      : ok('kernel: namespaces', kinds.join(', '));
  const limits = kinds.flatMap((kind) => {
    const name = `user.max_${kind}_namespaces`;
    const value = sysctl(name);
    return value === undefined || Number(value) >= 100
      ? []
      : [warning('kernel: namespaces', `${name} is ${value}`, `sysctl -w ${name}=15000`)];
  });
  return [found, ...limits];
}

function seccompFinding(): Finding {
  const hasFilters = /^Seccomp_filters:/m.test(readFileSync('/proc/self/status', 'utf8'));
  return hasFilters
    ? ok('kernel: seccomp', 'there')
    : problem('kernel: seccomp', 'the kernel has no seccomp filters; RuntimeDefault needs them');
}

function pressureFinding(): Finding {
  const check = 'kernel: pressure';
  if (existsSync('/proc/pressure/cpu')) return ok(check, 'pressure stall information is there');
  return warning(check, 'no pressure stall information: start the kernel with psi=1');
}

/** Without these no pod can be made; without the others some cannot have what they ask for. */
const neededCapabilities =
  'SYS_ADMIN NET_ADMIN SYS_CHROOT CHOWN DAC_OVERRIDE FOWNER KILL MKNOD SETUID SETGID SETPCAP SETFCAP SYS_PTRACE'
    .split(' ')
    .map((name) => `CAP_${name}`);

function capabilityFindings(): Finding[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const last = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'));
  const missing = allCapabilities.filter(
    (_name, number) => number <= last && ((mask >> BigInt(number)) & 1n) === 0n,
  );
  if (missing.length === 0) return [ok('capabilities', 'all')];
  const needed = missing.filter((name) => neededCapabilities.includes(name));
  if (needed.length > 0) {
    return [problem('capabilities', `missing: ${needed.join(', ')}`, 'run as root: sudo gantry …')];
  }
  return [warning('capabilities', `missing: ${missing.join(', ')}; containers cannot have them`)];
}

type Least = { readonly name: string; readonly least: number; readonly why: string };

const leastSysctls: readonly Least[] = [
  { name: 'net.ipv4.ip_forward', least: 1, why: 'pods reach nothing beyond the node without it' },
  { name: 'fs.inotify.max_user_instances', least: 128, why: 'gantryd and kubelet watch files' },
  { name: 'fs.inotify.max_user_watches', least: 8192, why: 'kubelet watches the logs of pods' },
  { name: 'kernel.pid_max', least: 32_768, why: 'processes of all containers count' },
  { name: 'fs.file-max', least: 100_000, why: 'open files of all containers count' },
];

function sysctlFindings(): Finding[] {
  const low = leastSysctls.flatMap(({ name, least, why }) => {
    const value = sysctl(name);
    if (value === undefined || Number(value) >= least) return [];
    return [warning(`sysctl: ${name}`, `is ${value}: ${why}`, `sysctl -w ${name}=${least}`)];
  });
  return low.length > 0 ? low : [ok('sysctls', leastSysctls.map(({ name }) => name).join(', '))];
}

function sysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
