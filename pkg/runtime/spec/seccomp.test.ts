import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LinuxSeccomp } from '#api/oci/runtime.ts';
import { describe as describeError, faultCode } from '#errors/fault.ts';
import { defaultSeccomp, loadSeccompProfile } from './seccomp.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-seccomp-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

/** What a command prints in a container of crun's, as root with CAP_SYS_ADMIN. */
function runContainer(seccomp: LinuxSeccomp | undefined, args: readonly string[]): string {
  const bundle = mkdtempSync(join(root, 'bundle-'));
  for (const folder of ['dev', 'proc', 'usr'])
    mkdirSync(join(bundle, 'rootfs', folder), { recursive: true });
  for (const link of ['bin', 'lib', 'lib64'])
    symlinkSync(`usr/${link}`, join(bundle, 'rootfs', link));
  const rights = ['CAP_SYS_ADMIN'];
  const spec = {
    ociVersion: '1.0.2',
    process: {
      args,
      cwd: '/',
      env: ['PATH=/usr/bin:/bin'],
      user: { uid: 0, gid: 0 },
      capabilities: { bounding: rights, effective: rights, permitted: rights },
    },
    root: { path: 'rootfs' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
      { destination: '/usr', type: 'bind', source: '/usr', options: ['rbind', 'ro'] },
    ],
    linux: {
      namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })),
      seccomp,
    },
  };
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
  const options = ['--cgroup-manager=disabled', '--root', join(root, 'state')];
  return execFileSync('crun', [...options, 'run', '--bundle', bundle, `seccomp-${process.pid}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Numbers of system calls, which the C library offers no way to call as they are. */
const number =
  process.arch === 'arm64'
    ? {
        socket: 198,
        clone: 220,
        unshare: 97,
        mount: 40,
        personality: 92,
        ioUringSetup: 425,
        clone3: 435,
      }
    : {
        socket: 41,
        clone: 56,
        unshare: 272,
        mount: 165,
        personality: 135,
        ioUringSetup: 425,
        clone3: 435,
      };

/** Calls that the kernel itself answers with success, EINVAL or EFAULT, or for want of a module. */
const calls = {
  unixSocket: [number.socket, 1, 1, 0],
  algSocket: [number.socket, 38, 5, 0],
  nfcSocket: [number.socket, 39, 5, 0],
  vsockSocket: [number.socket, 40, 1, 0],
  vsockSocketWithHighBit: [number.socket, 2 ** 32 + 40, 1, 0],
  askPersonality: [number.personality, 0xffffffff],
  setNoRandomize: [number.personality, 0x40000],
  cloneUser: [number.clone, 0x10000200, 0, 0, 0, 0],
  clone3: [number.clone3, 0, 0],
  unshare: [number.unshare, 1],
  mount: [number.mount, 0, 0, 0, 0, 0],
  ioUring: [number.ioUringSetup, 0, 0],
};

const perl =
  'for (@ARGV) { my ($n, @a) = map { $_ + 0 } split /,/; print syscall($n, @a) < 0 ? $! + 0 : 0, "\\n" }';

/** The answer to each of `calls` in a container: `ok` or the name of the error. */
function answers(seccomp: LinuxSeccomp | undefined): Record<string, string> {
  const probes = Object.values(calls).map((call) => call.join(','));
  const lines = runContainer(seccomp, ['perl', '-e', perl, ...probes])
    .trim()
    .split('\n');
  const names = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));
  return Object.fromEntries(
    Object.keys(calls).map((name, index) => [name, names.get(Number(lines[index])) ?? 'ok']),
  );
}

const refusedAlways = {
  algSocket: 'EPERM',
  vsockSocket: 'EPERM',
  vsockSocketWithHighBit: 'EPERM',
  setNoRandomize: 'EPERM',
  ioUring: 'EPERM',
};

describe('defaultSeccomp', () => {
  it('refuses in a container what the profile has not got, and leaves the rest to the kernel', () => {
    const under = answers(defaultSeccomp([], process.arch));
    expect(under).toMatchObject({
      ...refusedAlways,
      unixSocket: 'ok',
      askPersonality: 'ok',
      cloneUser: 'EPERM',
      clone3: 'ENOSYS',
      unshare: 'EPERM',
      mount: 'EPERM',
    });
    expect(under['nfcSocket']).not.toBe('EPERM');
  });

  it('lets a container with CAP_SYS_ADMIN mount and make namespaces', () => {
    expect(answers(defaultSeccomp(['CAP_SYS_ADMIN'], process.arch))).toMatchObject({
      ...refusedAlways,
      cloneUser: 'EINVAL',
      clone3: 'EINVAL',
      unshare: 'EINVAL',
      mount: 'EFAULT',
    });
  });

  it('is what refuses: without a profile the same calls reach the kernel', () => {
    const bare = answers(undefined);
    expect(bare).toMatchObject({
      setNoRandomize: 'ok',
      cloneUser: 'EINVAL',
      clone3: 'EINVAL',
      unshare: 'EINVAL',
      mount: 'EFAULT',
    });
    expect(bare['vsockSocketWithHighBit']).not.toBe('EPERM');
  });

  it('lets ordinary programs run and start others', () => {
    const script = 'ls / | sort | tr "\\n" " "; unshare -r true 2>/dev/null || echo refused';
    const output = runContainer(defaultSeccomp([], process.arch), ['sh', '-c', script]);
    expect(output).toBe('bin dev lib lib64 proc usr refused\n');
  });

  it.each(['x64', 'arm64', 's390x'] as const)(
    'is accepted by crun as made for %s',
    (architecture) => {
      const profile = defaultSeccomp([], architecture);
      // Without it no program starts on x64, which is where the others run here.
      const extra = { names: ['arch_prctl'], action: 'SCMP_ACT_ALLOW' } as const;
      const syscalls = [...(profile.syscalls ?? []), extra];
      expect(runContainer({ ...profile, syscalls }, ['echo', 'hello'])).toBe('hello\n');
    },
  );

  it('holds each name once in its list, and rules for arguments only of names outside it', () => {
    const [list, ...rules] =
      defaultSeccomp(['CAP_SYS_ADMIN', 'CAP_SYSLOG', 'CAP_BPF'], 'x64').syscalls ?? [];
    const names = list?.names ?? [];
    expect(new Set(names).size).toBe(names.length);
    expect(rules.flatMap((rule) => rule.names).filter((name) => names.includes(name))).toEqual([]);
  });

  it.each([
    ['CAP_BPF', 'bpf'],
    ['CAP_DAC_READ_SEARCH', 'open_by_handle_at'],
    ['CAP_PERFMON', 'perf_event_open'],
    ['CAP_SYSLOG', 'syslog'],
    ['CAP_SYS_ADMIN', 'mount'],
    ['CAP_SYS_BOOT', 'reboot'],
    ['CAP_SYS_CHROOT', 'chroot'],
    ['CAP_SYS_MODULE', 'finit_module'],
    ['CAP_SYS_NICE', 'set_mempolicy'],
    ['CAP_SYS_PACCT', 'acct'],
    ['CAP_SYS_PTRACE', 'pidfd_getfd'],
    ['CAP_SYS_RAWIO', 'iopl'],
    ['CAP_SYS_TIME', 'clock_settime'],
    ['CAP_SYS_TTY_CONFIG', 'vhangup'],
  ])('with %s allows %s, and not without', (capability, name) => {
    expect(allowed(defaultSeccomp([capability], 'x64'))).toContain(name);
    expect(allowed(defaultSeccomp(['CAP_CHOWN'], 'x64'))).not.toContain(name);
  });

  it.each([
    ['x64', ['X86_64', 'X86', 'X32'], { own: ['modify_ldt'], cloneFlagsIndex: 0 }],
    ['arm64', ['AARCH64', 'ARM'], { own: ['set_tls'], cloneFlagsIndex: 0 }],
    ['s390x', [], { own: [], cloneFlagsIndex: 1 }],
  ] as const)('knows what is particular to %s', (name, architectures, { own, cloneFlagsIndex }) => {
    const profile = defaultSeccomp([], name);
    expect(profile.architectures).toEqual(architectures.map((token) => `SCMP_ARCH_${token}`));
    expect(allowed(profile).filter((call) => /^(modify_ldt|set_tls)$/.test(call))).toEqual(own);
    const clone = profile.syscalls?.find(({ names }) => names.includes('clone'));
    expect(clone?.args?.[0]?.index).toBe(cloneFlagsIndex);
  });
});

function allowed(profile: LinuxSeccomp): readonly string[] {
  return profile.syscalls?.find(({ args }) => args === undefined)?.names ?? [];
}

const allowAll = { defaultAction: 'SCMP_ACT_ALLOW' };

function write(content: unknown): string {
  const path = join(root, 'profile.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function failure(path: string): string {
  try {
    loadSeccompProfile(path);
  } catch (error) {
    expect(faultCode(error)).toBe('invalid-argument');
    return describeError(error);
  }
  throw new Error(`"${path}" was accepted`);
}

describe('loadSeccompProfile', () => {
  it('returns a profile that a container runs under', () => {
    const path = write({
      ...allowAll,
      syscalls: [
        { names: ['personality'], action: 'SCMP_ACT_ERRNO', errnoRet: constants.errno.ENOLINK },
      ],
    });
    expect(answers(loadSeccompProfile(path))).toMatchObject({
      askPersonality: 'ENOLINK',
      unixSocket: 'ok',
    });
  });

  it('returns all that the form has, without absent and unknown properties', () => {
    const profile = {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      listenerPath: '/run/agent.sock',
      listenerMetadata: 'pod',
      syscalls: [
        {
          names: ['clone'],
          action: 'SCMP_ACT_TRACE',
          errnoRet: 1,
          args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
        },
        { names: ['read', 'write'], action: 'SCMP_ACT_ALLOW' },
      ],
    };
    const [first, second] = profile.syscalls;
    const noise = { comment: 'x', args: null, includes: {}, excludes: null };
    const path = write({ ...profile, archMap: [], syscalls: [first, { ...second, ...noise }] });
    expect(loadSeccompProfile(path)).toStrictEqual(profile);
  });

  it.each([
    ['defaultAction is none of', {}],
    ['defaultAction is none of', { defaultAction: 'SCMP_ACT_ALOW' }],
    ['the document is not an object', []],
    ['the document is not an object', null],
    ['defaultErrnoRet is not a whole number', { ...allowAll, defaultErrnoRet: -1 }],
    ['architectures is not a list', { ...allowAll, architectures: 'SCMP_ARCH_X86' }],
    ['flags[1] is not a string', { ...allowAll, flags: ['SECCOMP_FILTER_FLAG_LOG', 2] }],
    ['syscalls[0] is not an object', { ...allowAll, syscalls: ['read'] }],
    [
      'syscalls[0].names is not a list',
      { ...allowAll, syscalls: [{ name: 'read', action: 'SCMP_ACT_ALLOW' }] },
    ],
    ['syscalls[0].action is none of', { ...allowAll, syscalls: [{ names: ['read'] }] }],
    ['syscalls[0].args[0].op is none of', argument({ op: '=' })],
    ['syscalls[0].args[0].index is not a whole number', argument({ index: '0' })],
    ['syscalls[0].args[0].value is not a whole number', argument({ value: 0.5 })],
    ['syscalls[0].args[0].value is not a whole number', argument({ value: 2 ** 64 })],
    [
      'syscalls[0].includes is a condition',
      argument({}, { includes: { caps: ['CAP_SYS_ADMIN'] } }),
    ],
    ['syscalls[0].excludes is a condition', argument({}, { excludes: { arches: ['s390'] } })],
  ])('names the field: %s', (reason, document) => {
    const path = write(document);
    expect(failure(path)).toContain(`load seccomp profile "${path}": ${reason}`);
  });

  it('refuses what is no JSON file of a bearable size', () => {
    expect(failure(join(root, 'nothing.json'))).toMatch(/nothing.json": ENOENT/);
    expect(failure(root)).toContain(`"${root}": not a regular file`);
    expect(failure('profiles/audit.json')).toBe(
      'load seccomp profile "profiles/audit.json": the path is not absolute',
    );
    expect(failure(write('{"defaultAction":'))).toMatch(/profile.json": .*JSON/);
    const large = write(allowAll);
    truncateSync(large, (4 << 20) + 1);
    expect(failure(large)).toContain('larger than 4194304 bytes');
  });

  it('does not wait for the writer of a fifo', () => {
    const path = join(root, 'fifo');
    execFileSync('mkfifo', [path]);
    expect(failure(path)).toContain('not a regular file');
  });
});

function argument(arg: object, rule: object = {}): object {
  const args = [{ index: 0, value: 1, op: 'SCMP_CMP_EQ', ...arg }];
  return {
    ...allowAll,
    syscalls: [{ names: ['socket'], action: 'SCMP_ACT_ALLOW', args, ...rule }],
  };
}
