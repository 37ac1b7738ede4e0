import { expect, it } from 'vitest';
import { containerDevices } from './devices.ts';

const disk = { hostPath: '/dev/null', containerPath: '/dev/xvda', permissions: 'rw' };

it('gives an ordinary container what it asks for, and nothing else', () => {
  const { nodes, rules } = containerDevices({ privileged: false, devices: [disk] });
  expect(nodes).toMatchObject([{ path: '/dev/xvda', type: 'c', major: 1, minor: 3 }]);
  expect(rules).toEqual([
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rw' },
  ]);
});

it('gives a privileged container all of the node, and what it asks for where it asks for it', () => {
  const other = { ...disk, hostPath: '/dev/full', containerPath: '/dev/zero' };
  const { nodes, rules } = containerDevices({ privileged: true, devices: [disk, other] });
  const at = (path: string) => nodes.filter((node) => node.path === path);
  expect(at('/dev/null')).toMatchObject([{ major: 1, minor: 3 }]);
  expect(at('/dev/xvda')).toMatchObject([{ major: 1, minor: 3 }]);
  expect(at('/dev/zero')).toMatchObject([{ major: 1, minor: 7 }]);
  expect(rules).toEqual([{ allow: true, access: 'rwm' }]);
});
