import { describe, expect, it } from 'vitest';
import { cgroupOf, leafCgroup, ociCgroupsPath, podCgroup } from './cgroup-path.ts';

const systemd = { driver: 'systemd', giverUsesSystemd: true } as const;
const cgroupfs = { driver: 'cgroupfs', giverUsesSystemd: false } as const;

describe('the parent of a pod with systemd', () => {
  const nested = '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6c0f_2a.slice';

  it.each([
    ['the whole path, as kubelet gives it', nested, nested],
    ['the name alone', 'kubepods-burstable-pod6c0f_2a.slice', nested],
    ['the name behind a slash', '/system-a.slice', '/system.slice/system-a.slice'],
  ])('is found by %s', (_how, parent, path) => {
    expect(podCgroup({ ...systemd, parent })).toEqual({ driver: 'systemd', parent: path });
  });

  it.each(['/kubepods/burstable/pod1', '/', 'a--b.slice', '-.slice', 'a-.slice', '-a.slice'])(
    'is refused when it is no slice: %s',
    (parent) => {
      expect(() => podCgroup({ ...systemd, parent })).toThrow(
        `cgroup parent "${parent}" is no slice`,
      );
    },
  );

  it('is refused at a place where systemd does not have it', () => {
    expect(() =>
      podCgroup({ ...systemd, parent: '/other.slice/kubepods-burstable.slice' }),
    ).toThrow(
      'systemd has the slice "kubepods-burstable.slice" at "/kubepods.slice/kubepods-burstable.slice"',
    );
  });
});

describe('the parent of a pod with cgroupfs', () => {
  it('is taken as it comes', () => {
    const parent = '/kubepods/burstable/pod1';
    expect(podCgroup({ ...cgroupfs, parent })).toEqual({ driver: 'cgroupfs', parent });
  });

  it('is refused when it is a slice: the caller uses systemd', () => {
    expect(() => podCgroup({ ...cgroupfs, parent: '/kubepods.slice' })).toThrow(
      'is a slice of systemd, but runtime.cgroup_driver is "cgroupfs"',
    );
  });

  it('may be a slice where the handler alone goes without systemd', () => {
    const wish = { driver: 'cgroupfs', giverUsesSystemd: true, parent: '/kubepods.slice' } as const;
    expect(podCgroup(wish)).toEqual({ driver: 'cgroupfs', parent: '/kubepods.slice' });
  });
});

describe('the cgroup of a container', () => {
  it('is a scope with systemd, which OCI runtimes know by slice, prefix and name', () => {
    const path = cgroupOf({ driver: 'systemd', parent: '/a.slice/a-b.slice' }, '0f1e');
    expect(path).toBe('/a.slice/a-b.slice/gantry-0f1e.scope');
    expect(ociCgroupsPath('systemd', path)).toBe('a-b.slice:gantry:0f1e');
  });

  it('has its limits in what crun makes in the scope of systemd', () => {
    const [scope, folder] = ['/a.slice/gantry-1.scope', '/a/1'];
    const there = { exists: (path: string) => path.endsWith('/container') };
    expect(leafCgroup(there, scope)).toBe(`${scope}/container`);
    expect(leafCgroup({ exists: () => false }, scope)).toBe(scope);
    // One that a container has made itself.
    expect(leafCgroup(there, folder)).toBe(folder);
  });

  it('is a folder in its parent without systemd', () => {
    const path = cgroupOf({ driver: 'cgroupfs', parent: '/pods/web' }, '0f1e');
    expect(path).toBe('/pods/web/0f1e');
    expect(ociCgroupsPath('cgroupfs', path)).toBe('/pods/web/0f1e');
  });
});
