import type { LinuxDevice, LinuxResources } from '#api/oci/runtime.ts';
import { Fault } from '#errors/fault.ts';
import { findDevices } from '#linux/device.ts';
import type { ContainerDevice } from '#runtime/container/container.ts';

type DeviceRules = LinuxResources['devices'];
type Devices = { readonly nodes: LinuxDevice[]; readonly rules: DeviceRules };

/** Mounted, or made, not copied, into a container: these belong to its own /dev. */
const ownFolders = ['/dev/pts', '/dev/shm', '/dev/mqueue', '/dev/fd'];
const ownNodes = ['console', 'ptmx', 'tty', 'stdin', 'stdout', 'stderr'].map((it) => `/dev/${it}`);

/**
 * The device nodes of a container and the rules that let it use them. The OCI runtime adds the usual
 * ones (/dev/null and its like). A privileged container gets all of the node's, and at the places that
 * it names those that it asks for: kubelet hands block volumes on in this way.
 */
export function containerDevices(wishes: {
  readonly privileged: boolean;
  readonly devices: readonly ContainerDevice[];
}): Devices {
  const granted = wishes.devices.flatMap(grant);
  const nodes = granted.map(({ node }) => node);
  if (wishes.privileged) {
    return { nodes: withNodes(nodeDevices(), nodes), rules: [{ allow: true, access: 'rwm' }] };
  }
  return { nodes, rules: [{ allow: false, access: 'rwm' }, ...granted.map(({ rule }) => rule)] };
}

function grant(wish: ContainerDevice): { node: LinuxDevice; rule: DeviceRules[number] }[] {
  if (!/^[rwm]+$/.test(wish.permissions)) {
    throw new Fault(
      'invalid-argument',
      `devices: permissions "${wish.permissions}" are not of the letters r, w and m`,
    );
  }
  return findDevices(wish.hostPath).map((device) => {
    const path = wish.containerPath + device.path.slice(wish.hostPath.length);
    const { type, major, minor } = device;
    return {
      node: { ...device, path },
      rule: { allow: true, type, major, minor, access: wish.permissions },
    };
  });
}

/** What is added takes the place of what has the same path. */
export function withNodes(
  nodes: readonly LinuxDevice[],
  added: readonly LinuxDevice[],
): LinuxDevice[] {
  return [...new Map([...nodes, ...added].map((node) => [node.path, node])).values()];
}

function nodeDevices(): LinuxDevice[] {
  return findDevices('/dev').filter(
    ({ path }) =>
      !ownNodes.includes(path) && !ownFolders.some((folder) => path.startsWith(`${folder}/`)),
  );
}
