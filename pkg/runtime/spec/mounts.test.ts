import { expect, it } from 'vitest';
import { containerMounts } from './mounts.ts';

const files = {
  hostname: '/p/hostname',
  hosts: '/p/hosts',
  resolvConf: '/p/resolv',
  shm: '/p/shm',
};
const bind = (destination: string) => ({ destination, type: 'bind', source: '/src', options: [] });

function destinations(...wishes: string[]): string[] {
  const mounts = wishes.map(bind);
  return containerMounts(files, { privileged: false, readonlyRootfs: false, mounts }).map(
    (mount) => mount.destination,
  );
}

it('puts parents before children, otherwise in the order given', () => {
  expect(destinations('/z/deep/er', '/b', '/a')).toEqual([
    '/proc',
    '/dev',
    '/sys',
    '/b',
    '/a',
    '/dev/pts',
    '/dev/mqueue',
    '/dev/shm',
    '/etc/hostname',
    '/etc/hosts',
    '/etc/resolv.conf',
    '/sys/fs/cgroup',
    '/z/deep/er',
  ]);
});

it('lets a mount of the caller replace the usual one, and what is below it', () => {
  expect(destinations('/etc/hosts').filter((path) => path === '/etc/hosts')).toHaveLength(1);
  expect(destinations('/dev').filter((path) => path.startsWith('/dev'))).toEqual(['/dev']);
});

it('has the files of the pod also in an /etc of the caller, after it', () => {
  expect(destinations('/etc').filter((path) => path.startsWith('/etc'))).toEqual([
    '/etc',
    '/etc/hostname',
    '/etc/hosts',
    '/etc/resolv.conf',
  ]);
});

it.each([
  [false, 'ro'],
  [true, 'rw'],
])('privileged %s: /sys is %s', (privileged, access) => {
  const mounts = containerMounts(files, { privileged, readonlyRootfs: false, mounts: [] });
  const sys = mounts.find(({ destination }) => destination === '/sys');
  expect(sys?.options).toContain(access);
});
