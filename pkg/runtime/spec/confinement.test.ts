import { expect, it } from 'vitest';
import type { ContainerSecurity } from '#runtime/container/container.ts';
import { confinementOf } from './confinement.ts';

const bare = {
  hasAppArmor: false,
  hasSelinux: false,
  loadedProfiles: () => new Set<string>(),
  loadDefaultProfile: async () => {
    throw new Error('asked for AppArmor where there is none');
  },
};

/** A node with AppArmor and the profile "web", where the default profile can be loaded or cannot. */
function confiningNode({ canLoad = true } = {}) {
  const profiles = new Set(['web']);
  return {
    hasAppArmor: true,
    hasSelinux: true,
    loadedProfiles: () => profiles,
    loadDefaultProfile: async () => {
      if (!canLoad) throw new Error('no apparmor_parser');
      profiles.add('gantry-default');
    },
  };
}

function confinement(wishes: Partial<ContainerSecurity>, node = confiningNode()) {
  return confinementOf({ privileged: false, ...wishes } as ContainerSecurity, node);
}

const web = { kind: 'localhost', ref: 'web' } as const;
const own = { kind: 'runtime-default' } as const;

it('asks for nothing where nothing is asked for, and nothing is there', async () => {
  expect(await confinement({}, bare)).toEqual({});
  expect(await confinement({ apparmor: { kind: 'unconfined' } }, bare)).toEqual({});
});

it('names the profile', async () => {
  expect(await confinement({ apparmor: web })).toEqual({ apparmorProfile: 'web' });
  const privileged = { apparmor: web, privileged: true };
  expect(await confinement(privileged)).toEqual({ apparmorProfile: 'web' });
  expect(await confinement({ apparmor: { kind: 'unconfined' } })).toEqual({});
});

it('loads the default profile for those who ask for it, or for none', async () => {
  expect(await confinement({ apparmor: own })).toEqual({ apparmorProfile: 'gantry-default' });
  expect(await confinement({})).toEqual({ apparmorProfile: 'gantry-default' });
  expect(await confinement({ apparmor: own, privileged: true })).toEqual({});
  expect(await confinement({ privileged: true })).toEqual({});
});

it('refuses a profile that cannot be had', async () => {
  const apparmor = { kind: 'localhost', ref: 'db' } as const;
  await expect(confinement({ apparmor })).rejects.toThrow('"db" is not loaded');
  await expect(confinement({ apparmor }, bare)).rejects.toThrow('the node has no AppArmor');
});

it('goes without the default profile where it cannot be loaded, unless it is asked for', async () => {
  const node = confiningNode({ canLoad: false });
  expect(await confinement({}, node)).toEqual({});
  await expect(confinement({ apparmor: own }, node)).rejects.toThrow('is not loaded');
});

it('completes a label, where there is SELinux', async () => {
  const selinux = { user: '', role: '', type: 'spc_t', level: 's0:c1,c2' };
  const privileged = true;
  expect(await confinement({ selinux, privileged })).toEqual({
    selinuxLabel: 'system_u:system_r:spc_t:s0:c1,c2',
  });
  expect(await confinement({ selinux }, bare)).toEqual({});
});
