import { expect, it } from 'vitest';
import type { Spec } from '#api/oci/runtime.ts';
import { applyEdits } from './apply.ts';
import { parseCdiSpec } from './spec.ts';

const bind = (destination: string, source = '/src') => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind'],
});

/** What is edited of a container that runs as user 1000. */
const spec = {
  process: { user: { uid: 1000, gid: 2000, additionalGids: [2000] }, env: [] },
  mounts: [bind('/proc'), bind('/vendor/lib/x'), bind('/etc/hosts')],
  linux: { devices: [], resources: { devices: [] } },
} as unknown as Spec;

function apply(containerEdits: object): Spec {
  const device = { name: 'x', containerEdits };
  const parsed = parseCdiSpec({ cdiVersion: '0.6.0', kind: 'a/b', devices: [device] });
  return applyEdits(
    spec,
    parsed.devices.map((each) => each.containerEdits),
  );
}

it('makes a device of its numbers, whether the node has one at the path or not', () => {
  const { devices, resources } = apply({
    deviceNodes: [
      { path: '/dev/none', type: 'c', major: 195, minor: 255 },
      { path: '/dev/unbuffered', type: 'u', major: 7, permissions: 'r' },
      { path: '/dev/fifo', type: 'p', fileMode: 0o600, uid: 5, gid: 6 },
      { path: '/dev/hidden', type: 'b', major: 8, permissions: 'none' },
    ],
  }).linux;
  const own = { fileMode: 0o666, uid: 1000, gid: 2000 };
  expect(devices).toEqual([
    { path: '/dev/none', type: 'c', major: 195, minor: 255, ...own },
    { path: '/dev/unbuffered', type: 'c', major: 7, minor: 0, ...own },
    { path: '/dev/fifo', type: 'p', major: 0, minor: 0, fileMode: 0o600, uid: 5, gid: 6 },
    { path: '/dev/hidden', type: 'b', major: 8, minor: 0, ...own },
  ]);
  expect(resources.devices).toEqual([
    { allow: true, type: 'c', major: 195, minor: 255, access: 'rwm' },
    { allow: true, type: 'c', major: 7, minor: 0, access: 'r' },
  ]);
});

it('gives a device of the node to the user of the container', () => {
  const { devices } = apply({ deviceNodes: [{ path: '/dev/x', hostPath: '/dev/null' }] }).linux;
  const own = { fileMode: 0o666, uid: 1000, gid: 2000 };
  expect(devices).toEqual([{ path: '/dev/x', type: 'c', major: 1, minor: 3, ...own }]);
});

it('puts a mount instead of the one at its place, and before those below it', () => {
  const mounts = ['/vendor', '/etc/hosts'].map((containerPath) => ({
    containerPath,
    hostPath: '/new',
  }));
  expect(apply({ mounts }).mounts).toEqual([
    bind('/proc'),
    bind('/vendor', '/new'),
    bind('/etc/hosts', '/new'),
    bind('/vendor/lib/x'),
  ]);
});

it('refuses what it could not give', () => {
  const netDevices = [{ hostInterfaceName: 'eth9', name: 'net1' }];
  expect(() => apply({ netDevices })).toThrow('netDevices: cannot be given yet');
});
