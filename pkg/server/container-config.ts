import type * as cri from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import type {
  ContainerConfig,
  ContainerSecurity,
  SelinuxLabel,
  SecurityProfile,
} from '#runtime/container/container.ts';
import { requestedDevices } from '#runtime/cdi/devices.ts';
import { given } from '#runtime/given.ts';
import type { SandboxConfig } from '#runtime/sandbox/sandbox.ts';
import { containerResources } from './container-resources.ts';
import { absolutePath, absolutePaths, enumMember, required } from './required.ts';
import { sandboxNamespaces } from './sandbox-config.ts';
import { containerMounts } from './container-mounts.ts';
import { signalName } from './signal.ts';
import { checkLabels, refuseNul, utf8 } from './texts.ts';
import { isSame, userNamespace } from './user-namespace.ts';

/** Checks a ContainerConfig and turns it into the runtime's own form. */
export function containerConfig(
  message: cri.ContainerConfig | null,
  sandbox: SandboxConfig,
): ContainerConfig {
  const config = required(message, 'config');
  refuseNul(config, 'config');
  checkLabels(config, 'config');
  const metadata = required(config.metadata, 'config.metadata');
  const image = required(config.image, 'config.image');
  return {
    metadata: { name: required(metadata.name, 'config.metadata.name'), attempt: metadata.attempt },
    image: required(image.image, 'config.image.image'),
    userSpecifiedImage: image.userSpecifiedImage,
    command: words(config.command, 'config.command'),
    args: words(config.args, 'config.args'),
    workingDir:
      config.workingDir === '' ? '' : absolutePath(config.workingDir, 'config.working_dir'),
    envs: config.envs.map((env, index) => variable(env, `config.envs[${index}]`)),
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
    logPath: logPath(config.logPath),
    stdin: config.stdin,
    stdinOnce: config.stdinOnce,
    tty: config.tty,
    stopSignal: signalName(config.stopSignal),
    resources: containerResources(config.linux?.resources),
    security: containerSecurity(config.linux?.securityContext, sandbox),
  };
}

/** More the kernel does not take at once (MAX_ARG_STRLEN, execve(2)), with its end. */
const maxWordBytes = 128 * 1024 - 1;

function words(values: readonly string[], field: string): readonly string[] {
  values.forEach((value, index) => checkWord(value, `${field}[${index}]`));
  return values;
}

function checkWord(value: string, field: string): void {
  const bytes = Buffer.byteLength(value);
  if (bytes <= maxWordBytes) return;
  const sentence = `${field}: is ${bytes} bytes long, and the kernel takes ${maxWordBytes}`;
  throw new Fault('invalid-argument', sentence);
}

function variable({ key, value }: cri.KeyValue, field: string): ContainerConfig['envs'][number] {
  required(key, `${field}.key`);
  if (key.includes('=')) throw new Fault('invalid-argument', `${field}.key: "${key}" has a =`);
  const text = utf8(value, `${field}.value`);
  checkWord(`${key}=${text}`, field);
  return { key, value: text };
}

/** Relative to the folder of the pod's logs, and in it. */
function logPath(value: string): string {
  if (!value.split('/').includes('..')) return value;
  throw new Fault(
    'invalid-argument',
    `config.log_path: "${value}" leads out of the folder of logs`,
  );
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
    maskedPaths: absolutePaths(message.maskedPaths, `${field}.masked_paths`),
    readonlyPaths: absolutePaths(message.readonlyPaths, `${field}.readonly_paths`),
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
    if (kind !== 'localhost') return { kind };
    // With the prefix of the old field or without it: callers send both.
    const ref = apparmor.localhostRef.replace(/^localhost\//, '');
    return { kind, ref: required(ref, `${field}.localhost_ref`) };
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
