import type * as cri from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import type {
  ContainerConfig,
  ContainerResources,
  ContainerSecurity,
  SelinuxLabel,
  SecurityProfile,
} from '#runtime/container/container.ts';
import { requestedDevices } from '#runtime/cdi/devices.ts';
import { given } from '#runtime/given.ts';
import type { SandboxConfig } from '#runtime/sandbox/sandbox.ts';
import { absolutePath, enumMember, required } from './required.ts';
import { sandboxNamespaces } from './sandbox-config.ts';
import { containerMounts } from './container-mounts.ts';
import { signalName } from './signal.ts';
import { isSame, userNamespace } from './user-namespace.ts';

/** Checks a ContainerConfig and turns it into the runtime's own form. */
export function containerConfig(
  message: cri.ContainerConfig | null,
  sandbox: SandboxConfig,
): ContainerConfig {
  const config = required(message, 'config');
  const metadata = required(config.metadata, 'config.metadata');
  const image = required(config.image, 'config.image');
  return {
    metadata: { name: required(metadata.name, 'config.metadata.name'), attempt: metadata.attempt },
    image: required(image.image, 'config.image.image'),
    userSpecifiedImage: image.userSpecifiedImage,
    command: config.command,
    args: config.args,
    workingDir:
      config.workingDir === '' ? '' : absolutePath(config.workingDir, 'config.working_dir'),
    envs: config.envs.map(({ key, value }, index) => ({
      key: required(key, `config.envs[${index}].key`),
      value: value.toString(),
    })),
    ...containerMounts(config.mounts, sandbox),
    devices: config.devices.map(({ containerPath, hostPath, permissions }, index) => ({
      containerPath: absolutePath(containerPath, `config.devices[${index}].container_path`),
      hostPath: absolutePath(hostPath, `config.devices[${index}].host_path`),
      permissions,
    })),
    cdiDevices: requestedDevices(
      config.CDIDevices.map(({ name }) => name),
      config.annotations,
    ),
    labels: config.labels,
    annotations: config.annotations,
    logPath: config.logPath,
    stdin: config.stdin,
    stdinOnce: config.stdinOnce,
    tty: config.tty,
    stopSignal: signalName(config.stopSignal),
    resources: containerResources(config.linux?.resources),
    security: containerSecurity(config.linux?.securityContext, sandbox),
  };
}

/** Zero means "not given" for each number, as the proto says. */
export function containerResources(
  message: cri.LinuxContainerResources | null | undefined,
): ContainerResources {
  if (message === null || message === undefined) return { hugepageLimits: [], unified: {} };
  return {
    ...given({
      cpuPeriod: unlessZero(message.cpuPeriod),
      cpuQuota: unlessZero(message.cpuQuota),
      cpuShares: unlessZero(message.cpuShares),
      cpusetCpus: message.cpusetCpus === '' ? undefined : message.cpusetCpus,
      cpusetMems: message.cpusetMems === '' ? undefined : message.cpusetMems,
      memoryLimitBytes: unlessZero(message.memoryLimitInBytes),
      memorySwapLimitBytes: unlessZero(message.memorySwapLimitInBytes),
      oomScoreAdj: message.oomScoreAdj,
    }),
    hugepageLimits: message.hugepageLimits.map(({ pageSize, limit }) => ({
      pageSize,
      limitBytes: limit,
    })),
    unified: message.unified,
  };
}

function unlessZero(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

function containerSecurity(
  message: cri.LinuxContainerSecurityContext | null | undefined,
  sandbox: SandboxConfig,
): ContainerSecurity {
  const field = 'config.linux.security_context';
  if (message === null || message === undefined) {
    return { ...noSecurityContext, namespaces: sandbox.namespaces };
  }
  const options = message.namespaceOptions;
  checkUserNamespace(options, sandbox);
  const groups = message.supplementalGroups;
  return {
    ...userWishes(message, field),
    privileged: message.privileged,
    namespaces: options === null ? sandbox.namespaces : sandboxNamespaces(options),
    supplementalGroups: groups.map((gid) => id(gid, `${field}.supplemental_groups`)),
    supplementalGroupsPolicy: enumMember(
      { 0: 'merge', 1: 'strict' } as const,
      message.supplementalGroupsPolicy,
      `${field}.supplemental_groups_policy`,
    ),
    readonlyRootfs: message.readonlyRootfs,
    noNewPrivileges: message.noNewPrivs,
    addCapabilities: message.capabilities?.addCapabilities ?? [],
    dropCapabilities: message.capabilities?.dropCapabilities ?? [],
    maskedPaths: message.maskedPaths,
    readonlyPaths: message.readonlyPaths,
    seccomp: seccompProfile(message),
    ...given({ apparmor: apparmorProfile(message), selinux: selinuxLabel(message) }),
  };
}

function userWishes(
  { runAsUser, runAsGroup, runAsUsername }: cri.LinuxContainerSecurityContext,
  field: string,
): Pick<ContainerSecurity, 'runAsUser' | 'runAsGroup' | 'runAsUsername'> {
  if (runAsGroup !== null && runAsUser === null && runAsUsername === '') {
    throw new Fault(
      'invalid-argument',
      `${field}.run_as_group asks for run_as_user or run_as_username`,
    );
  }
  return {
    runAsUsername,
    ...(runAsUser === null ? {} : { runAsUser: id(runAsUser.value, `${field}.run_as_user`) }),
    ...(runAsGroup === null ? {} : { runAsGroup: id(runAsGroup.value, `${field}.run_as_group`) }),
  };
}

/** Users are the pod's: a container that names other ones, or none where the pod has, means another pod. */
function checkUserNamespace(
  options: cri.NamespaceOption | null,
  { userNamespace: pod }: SandboxConfig,
): void {
  if ((options?.usernsOptions ?? null) === null) return;
  const own = userNamespace(options);
  if (own === undefined ? pod === undefined : pod !== undefined && isSame(own, pod)) return;
  throw new Fault(
    'invalid-argument',
    'config.linux.security_context.namespace_options.userns_options: must be those of the pod',
  );
}

const noSecurityContext: Omit<ContainerSecurity, 'namespaces'> = {
  privileged: false,
  runAsUsername: '',
  supplementalGroups: [],
  supplementalGroupsPolicy: 'merge',
  readonlyRootfs: false,
  noNewPrivileges: false,
  addCapabilities: [],
  dropCapabilities: [],
  maskedPaths: [],
  readonlyPaths: [],
  seccomp: { kind: 'unconfined' },
};

/** The string is what the message has replaced: `runtime/default`, `unconfined`, `localhost/NAME`. */
function apparmorProfile({
  apparmor,
  apparmorProfile: old,
}: cri.LinuxContainerSecurityContext): SecurityProfile | undefined {
  const field = 'config.linux.security_context.apparmor';
  if (apparmor !== null) {
    const kind = profileKind(apparmor, field);
    return kind === 'localhost'
      ? { kind, ref: required(apparmor.localhostRef, `${field}.localhost_ref`) }
      : { kind };
  }
  if (old === '') return undefined;
  if (old === 'runtime/default') return { kind: 'runtime-default' };
  if (old === 'unconfined') return { kind: 'unconfined' };
  if (old.startsWith('localhost/'))
    return { kind: 'localhost', ref: old.slice('localhost/'.length) };
  throw new Fault('invalid-argument', `${field}_profile: "${old}" is no profile`);
}

/** The kind of a profile; only one of the node has a reference. */
function profileKind(profile: cri.SecurityProfile, field: string): SecurityProfile['kind'] {
  const kind = enumMember(
    { 0: 'runtime-default', 1: 'unconfined', 2: 'localhost' } as const,
    profile.profileType,
    `${field}.profile_type`,
  );
  if (kind === 'localhost' || profile.localhostRef === '') return kind;
  throw new Fault(
    'invalid-argument',
    `${field}.localhost_ref is for profiles of the type Localhost`,
  );
}

const selinuxLevel = /^s\d+(-s\d+)?(:c\d+(\.c\d+)?(,c\d+(\.c\d+)?)*)?$/;

function selinuxLabel({
  selinuxOptions,
}: cri.LinuxContainerSecurityContext): SelinuxLabel | undefined {
  if (selinuxOptions === null) return undefined;
  const { level } = selinuxOptions;
  if (level === '' || selinuxLevel.test(level)) return selinuxOptions;
  const field = 'config.linux.security_context.selinux_options.level';
  throw new Fault('invalid-argument', `${field}: "${level}" is no SELinux level`);
}

/** No message means no filter; an empty one means the runtime's own, for that is the enum's zero. */
function seccompProfile({ seccomp }: cri.LinuxContainerSecurityContext): SecurityProfile {
  const field = 'config.linux.security_context.seccomp';
  if (seccomp === null) return { kind: 'unconfined' };
  const kind = profileKind(seccomp, field);
  return kind === 'localhost'
    ? { kind, ref: absolutePath(seccomp.localhostRef, `${field}.localhost_ref`) }
    : { kind };
}

function id(value: number, field: string): number {
  if (value >= 0 && value < 2 ** 32 - 1) return value;
  throw new Fault('invalid-argument', `${field}: ${value} is not an id`);
}
