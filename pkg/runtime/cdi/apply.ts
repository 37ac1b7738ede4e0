import type { Hook, LinuxDevice, Spec, SpecMount } from '#api/oci/runtime.ts';
import { findDevices } from '#linux/device.ts';
import { given } from '#runtime/given.ts';
import { withNodes } from '#runtime/spec/devices.ts';
import { sortMounts } from '#runtime/spec/mounts.ts';
import type { ContainerEdits } from './spec.ts';

/** The specification of a container with what its devices need. */
export function applyEdits(spec: Spec, edits: readonly ContainerEdits[]): Spec {
  return edits.reduce(applyEdit, spec);
}

function applyEdit(spec: Spec, edits: ContainerEdits): Spec {
  const { process, linux } = spec;
  const devices = edits.deviceNodes.flatMap((wish) => nodesOf(wish, process.user));
  const gids = [...process.user.additionalGids, ...edits.additionalGids];
  return {
    ...spec,
    process: {
      ...process,
      env: mergeEnvironment(process.env, edits.env),
      user: { ...process.user, additionalGids: [...new Set(gids)] },
    },
    mounts: addMounts(spec.mounts, edits.mounts.map(mountOf)),
    hooks: addHooks(spec.hooks ?? {}, edits.hooks),
    linux: {
      ...linux,
      devices: withNodes(
        linux.devices,
        devices.map(({ node }) => node),
      ),
      resources: {
        ...linux.resources,
        devices: [...linux.resources.devices, ...devices.flatMap(({ rules }) => rules)],
      },
    },
  };
}

type Rule = Spec['linux']['resources']['devices'][number];

type DeviceWish = ContainerEdits['deviceNodes'][number];
type Owner = { readonly uid: number; readonly gid: number };

/** Whose they are, and with which mode, is as other runtimes have it where the vendor says nothing. */
function nodesOf(wish: DeviceWish, user: Owner): { node: LinuxDevice; rules: Rule[] }[] {
  const { path, hostPath = path, permissions = 'rwm' } = wish;
  const { fileMode = 0o666, uid = user.uid, gid = user.gid } = wish;
  const access = permissions === 'none' ? '' : permissions;
  return (describedDevice(wish) ?? findDevices(hostPath)).map((device) => {
    const { type, major, minor } = device;
    const place = path + device.path.slice(hostPath.length);
    const node = { type, major, minor, path: place, fileMode, uid, gid };
    return {
      node,
      rules: type === 'p' || access === '' ? [] : [{ allow: true, type, major, minor, access }],
    };
  });
}

type Device = Pick<LinuxDevice, 'path' | 'type' | 'major' | 'minor'>;

/** A device of which the specification says all that there is to know. */
function describedDevice({ path, hostPath = path, ...wish }: DeviceWish): [Device] | undefined {
  const { type, major = 0, minor = 0 } = wish;
  if (type === undefined || (major === 0 && type !== 'p')) return undefined;
  // `u` is another word for `c` (mknod(1)).
  return [{ path: hostPath, type: type === 'u' ? 'c' : type, major, minor }];
}

/** Instead of those at the same places. */
function addMounts(mounts: readonly SpecMount[], added: readonly SpecMount[]): SpecMount[] {
  const places = new Set(added.map(({ destination }) => destination));
  return sortMounts([...mounts.filter(({ destination }) => !places.has(destination)), ...added]);
}

function mountOf(mount: ContainerEdits['mounts'][number]): SpecMount {
  const { hostPath, containerPath, type = 'bind', options } = mount;
  const isBind = options.some((option) => option === 'bind' || option === 'rbind');
  const bind = type === 'bind' && !isBind ? ['rbind'] : [];
  return { destination: containerPath, type, source: hostPath, options: [...bind, ...options] };
}

function mergeEnvironment(old: readonly string[], added: readonly string[]): string[] {
  const byName = new Map([...old, ...added].map((line) => [line.split('=', 1)[0], line]));
  return [...byName.values()];
}

type Hooks = NonNullable<Spec['hooks']>;

function addHooks(hooks: Hooks, added: ContainerEdits['hooks']): Hooks {
  const result: Record<string, readonly Hook[]> = { ...hooks };
  for (const { hookName, path, ...rest } of added) {
    result[hookName] = [...(result[hookName] ?? []), { path, ...given(rest) }];
  }
  return result;
}
