import { expect, it } from 'vitest';
import type { ContainerSecurity } from '#runtime/container/container.ts';
import { confinementOf } from './confinement.ts';

const bare = { hasAppArmor: false, hasSelinux: false, loadedProfiles: () => new Set<string>() };
const confining = {
  hasAppArmor: true,
  hasSelinux: true,
  loadedProfiles: () => new Set(['web', 'gantry-default']),
};

function confinement(wishes: Partial<ContainerSecurity>, node = confining) {
  return confinementOf({ privileged: false, ...wishes } as ContainerSecurity, node);
}

it('asks for nothing where nothing is asked for', () => {
  expect(confinement({}, bare)).toEqual({});
  expect(confinement({ apparmor: { kind: 'unconfined' } }, bare)).toEqual({});
});

it('names the profile', () => {
  const localhost = { kind: 'localhost', ref: 'web' } as const;
  expect(confinement({ apparmor: localhost })).toEqual({ apparmorProfile: 'web' });
  expect(confinement({ apparmor: localhost, privileged: true })).toEqual({
    apparmorProfile: 'web',
  });
  const own = { kind: 'runtime-default' } as const;
  expect(confinement({ apparmor: own })).toEqual({ apparmorProfile: 'gantry-default' });
  expect(confinement({ apparmor: own, privileged: true })).toEqual({});
});

it('refuses a profile that cannot be had', () => {
  const apparmor = { kind: 'localhost', ref: 'db' } as const;
  expect(() => confinement({ apparmor })).toThrow('"db" is not loaded');
  expect(() => confinement({ apparmor }, bare)).toThrow('the node has no AppArmor');
});

it('completes a label, where there is SELinux', () => {
  const selinux = { user: '', role: '', type: 'spc_t', level: 's0:c1,c2' };
  expect(confinement({ selinux })).toEqual({ selinuxLabel: 'system_u:system_r:spc_t:s0:c1,c2' });
  expect(confinement({ selinux }, bare)).toEqual({});
});
