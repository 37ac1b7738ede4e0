import {
  closeSync,
  existsSync,
  openSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bindMount, mountFilesystem, unmount } from '#linux/mount.ts';
import type { ContainerMount } from './container.ts';
import { SingleFlight } from '#store/single-flight.ts';
import { hostMounts, type HostPaths } from './host-mounts.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-mounts-'));
  bindMount(folder, folder, { propagation: 'private' });
  mkdirSync(join(folder, 'real'));
  symlinkSync('real', join(folder, 'link'));
});
afterEach(() => {
  unmount(folder);
  rmSync(folder, { recursive: true });
});

const paths = (): HostPaths => ({
  lookups: new SingleFlight(),
  required: new Set(),
  state: '/run/gantry',
});

async function mountOf(
  name: string,
  change: Partial<ContainerMount> = {},
  known: Partial<HostPaths> = {},
) {
  const mount: ContainerMount = {
    containerPath: '/data',
    hostPath: join(folder, name),
    readonly: false,
    recursiveReadOnly: false,
    propagation: 'private',
    ...change,
  };
  return (await hostMounts({ ...paths(), ...known }, [mount]))[0];
}

it('follows symbolic links on the node', async () => {
  expect((await mountOf('link'))?.source).toBe(join(folder, 'real'));
});

it('makes a directory where there is nothing', async () => {
  expect((await mountOf('new/deep'))?.source).toBe(join(folder, 'new/deep'));
  expect(statSync(join(folder, 'new/deep')).isDirectory()).toBe(true);
});

it.each([
  [{}, ['rbind', 'rprivate', 'rw']],
  [{ readonly: true }, ['rbind', 'rprivate', 'ro']],
  [{ readonly: true, recursiveReadOnly: true }, ['rbind', 'rprivate', 'ro', 'rro']],
  [{ mapping: { hostId: 1, length: 1 } }, ['rbind', 'rprivate', 'rw', 'idmap']],
])('%j gives the options %j', async (change, options) => {
  expect((await mountOf('real', change))?.options).toEqual(options);
});

it('refuses propagation that the mount below cannot have', async () => {
  const wish = { propagation: 'bidirectional' } as const;
  await expect(mountOf('real', wish)).rejects.toThrow('is not on a shared mount');
  bindMount(join(folder, 'real'), join(folder, 'real'), { propagation: 'shared' });
  expect((await mountOf('real', wish))?.options).toContain('rshared');
  unmount(join(folder, 'real'));
});

it('names a path that cannot be used', async () => {
  writeFileSync(join(folder, 'file'), '');
  await expect(mountOf('file/below')).rejects.toThrow(`host path "${folder}/file/below"`);
});

it.runIf(existsSync('/dev/fuse'))(
  'waits for a file system that hangs no longer than it is told, and once',
  async () => {
    // A file system whose server never answers (fuse(4)).
    const server = openSync('/dev/fuse', 'r+');
    const hung = join(folder, 'real');
    const options = [`fd=${server}`, 'rootmode=40000', 'user_id=0', 'group_id=0'];
    mountFilesystem({ type: 'fuse', source: 'hung', options }, hung);
    const asked = paths();
    const mount = { containerPath: '/data', hostPath: join(hung, 'x'), readonly: false } as const;
    const wish = { ...mount, recursiveReadOnly: false, propagation: 'private' } as const;
    const first = hostMounts(asked, [wish], 100);
    await expect(first).rejects.toMatchObject({
      code: 'deadline-exceeded',
      message: `mounts: host path "${hung}/x" for "/data": its file system gave no answer within 100 ms`,
    });
    const second = hostMounts(asked, [wish], 100);
    expect(asked.lookups.isRunning(`${hung}/x`)).toBe(true);
    await expect(second).rejects.toMatchObject({ code: 'deadline-exceeded' });
    closeSync(server);
    await expect(hostMounts(asked, [wish], 5000)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    unmount(hung);
  },
);

it('refuses a path that is missing and must be there', async () => {
  const hostPath = join(folder, 'docker.sock');
  const known = { required: new Set([hostPath]) };
  await expect(mountOf('docker.sock', {}, known)).rejects.toThrow(`host path "${hostPath}"`);
  expect(existsSync(hostPath)).toBe(false);
});

it('lets go of the mounts of pods, also in a private mount of all that holds them', async () => {
  const known = { state: join(folder, 'real/state') };
  expect((await mountOf('real', {}, known))?.options).toContain('rprivate');
  bindMount(join(folder, 'real'), join(folder, 'real'), { propagation: 'shared' });
  expect((await mountOf('real', {}, known))?.options).toContain('rslave');
  expect((await mountOf('real'))?.options).toContain('rprivate');
  unmount(join(folder, 'real'));
});
