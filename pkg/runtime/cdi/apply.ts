import type { Hook, LinuxDevice, Spec, SpecMount } from '#api/oci/runtime.ts';
import { findDevices } from '#linux/device.ts';
import { given } from '#runtime/given.ts';
import type { ContainerEdits } from './spec.ts';

/** The specification of a container with what its devices need. */
export function applyEdits(spec: Spec, edits: readonly ContainerEdits[]): Spec {
  return edits.reduce(applyEdit, spec);
}

function applyEdit(spec: Spec, edits: ContainerEdits): Spec {
  const { process, linux } = spec;
  const devices = edits.deviceNodes.flatMap(nodesOf);
  const gids = [...process.user.additionalGids, ...edits.additionalGids];
  return {
    ...spec,
    process: {
      ...process,
      env: mergeEnvironment(process.env, edits.env),
      user: { ...process.user, additionalGids: [...new Set(gids)] },
    },
    mounts: [...spec.mounts, ...edits.mounts.map(mountOf)],
    hooks: addHooks(spec.hooks ?? {}, edits.hooks),
    linux: {
      ...linux,
      devices: [...linux.devices, ...devices.map(({ node }) => node)],
      resources: {
        ...linux.resources,
        devices: [...linux.resources.devices, ...devices.map(({ rule }) => rule)],
      },
    },
  };
}

type Rule = Spec['linux']['resources']['devices'][number];

function nodesOf(wish: ContainerEdits['deviceNodes'][number]): { node: LinuxDevice; rule: Rule }[] {
  const { path, hostPath = path, permissions = 'rwm', fileMode, uid, gid } = wish;
  return findDevices(hostPath).map((device) => {
    const { type, major, minor } = device;
    const owner = given({ fileMode, uid, gid });
    const node = { ...device, ...owner, path: path + device.path.slice(hostPath.length) };
    return { node, rule: { allow: true, type, major, minor, access: permissions } };
  });
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
