import {
  closeSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { faultCode } from '#errors/fault.ts';
import { mountPointsUnder, unmount } from './mount.ts';
import { createNamespaces, removeNamespace } from './namespace.ts';
import { openSystemThread, type SystemThread } from './system-thread.ts';

let thread: SystemThread;
let folder: string;
let paths: { net: string; ipc: string; uts: string };

beforeEach(() => {
  thread = openSystemThread();
  folder = mkdtempSync(join(tmpdir(), 'gantry-namespace-'));
  paths = { net: join(folder, 'net'), ipc: join(folder, 'ipc'), uts: join(folder, 'uts') };
});

afterEach(async () => {
  await thread.close();
  for (const point of mountPointsUnder(folder)) unmount(point);
  rmSync(folder, { recursive: true });
});

/** What a command prints inside the pinned namespaces. */
function inside(...command: string[]): string {
  const flags = [`--net=${paths.net}`, `--ipc=${paths.ipc}`, `--uts=${paths.uts}`];
  return execFileSync('nsenter', [...flags, '--', ...command], { encoding: 'utf8' }).trim();
}

const inode = (path: string): number => statSync(path).ino;

it('createNamespaces pins new namespaces with the given hostname', async () => {
  await createNamespaces(thread, { ...paths, hostname: 'web-0' });
  expect(mountPointsUnder(folder).toSorted()).toEqual([paths.ipc, paths.net, paths.uts]);
  for (const [kind, path] of Object.entries(paths)) {
    expect(inode(path)).not.toBe(inode(`/proc/self/ns/${kind}`));
  }
  expect(inside('hostname')).toBe('web-0');
  expect(hostname()).not.toBe('web-0');
});

it('createNamespaces makes only the kinds that are asked for', async () => {
  await createNamespaces(thread, { ipc: paths.ipc });
  expect(readdirSync(folder)).toEqual(['ipc']);
});

it('createNamespaces opens low ports and ping to everybody in the pod', async () => {
  await createNamespaces(thread, paths);
  const names = ['net.ipv4.ip_unprivileged_port_start', 'net.ipv4.ping_group_range'];
  expect(names.map((name) => inside('sysctl', '-n', name))).toEqual(['0', '0\t2147483647']);
});

it('createNamespaces sets sysctls in the new namespaces only', async () => {
  const hostValue = readFileSync('/proc/sys/kernel/shm_rmid_forced', 'utf8').trim();
  const value = hostValue === '0' ? '1' : '0';
  const sysctls = {
    'kernel.shm_rmid_forced': value,
    'net/ipv4/ip_forward': '1',
    'net.ipv4.ip_unprivileged_port_start': '80',
  };
  await createNamespaces(thread, { ...paths, sysctls });
  expect(inside('sysctl', '-n', 'kernel.shm_rmid_forced')).toBe(value);
  expect(inside('sysctl', '-n', 'net.ipv4.ip_forward')).toBe('1');
  expect(inside('sysctl', '-n', 'net.ipv4.ip_unprivileged_port_start')).toBe('80');
  expect(readFileSync('/proc/sys/kernel/shm_rmid_forced', 'utf8').trim()).toBe(hostValue);
});

it.each([
  ['net.ipv4.no_such_thing', '1', 'set sysctl "net.ipv4.no_such_thing" to "1"'],
  ['net.ipv4.ip_default_ttl', '1000', 'set sysctl "net.ipv4.ip_default_ttl" to "1000"'],
  ['kernel.panic', '1', 'set sysctl "kernel.panic" to "1": it belongs to the whole machine'],
  ['net/../kernel/panic', '1', 'malformed sysctl name'],
])('createNamespaces refuses sysctl %s=%s and leaves nothing', async (name, value, message) => {
  const failed = createNamespaces(thread, { ...paths, sysctls: { [name]: value } });
  const error = await failed.then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  expect(error?.cause).toMatchObject({ message: expect.stringContaining(message) });
  expect(faultCode(error)).toBe('invalid-argument');
  expect(readdirSync(folder)).toEqual([]);
});

it('createNamespaces refuses a sysctl of a namespace that the pod shares with the host', async () => {
  const failed = createNamespaces(thread, {
    ipc: paths.ipc,
    sysctls: { 'net.ipv4.ip_forward': '1' },
  });
  await expect(failed).rejects.toMatchObject({ cause: { code: 'invalid-argument' } });
});

it('createNamespaces does not take a file that exists, and undoes the others', async () => {
  writeFileSync(paths.uts, 'mine');
  await expect(createNamespaces(thread, paths)).rejects.toThrow('create namespaces');
  expect(readdirSync(folder)).toEqual(['uts']);
  expect(mountPointsUnder(folder)).toEqual([]);
});

it('removeNamespace lets go, however often it is asked', async () => {
  await createNamespaces(thread, paths);
  await removeNamespace(thread, paths.net);
  await removeNamespace(thread, paths.net);
  expect(existsSync(paths.net)).toBe(false);
  expect(mountPointsUnder(folder)).not.toContain(paths.net);
});

it('removeNamespace takes a file on which nothing was pinned yet', async () => {
  writeFileSync(paths.net, '');
  await removeNamespace(thread, paths.net);
  expect(existsSync(paths.net)).toBe(false);
});

it('SystemThread serves a next caller after its worker could not return', async () => {
  await removeNamespace(thread, paths.net);
  // The way home, closed behind the worker's back.
  for (const fd of namespaceDescriptors()) closeSync(fd);
  const stranded = createNamespaces(thread, paths);
  const behind = removeNamespace(thread, paths.ipc);
  await expect(stranded).rejects.toMatchObject({
    cause: { message: "return to the host's namespaces" },
  });
  await expect(behind).rejects.toMatchObject({ cause: { message: 'the system thread ended' } });
  expect(readdirSync(folder)).toEqual([]);

  await createNamespaces(thread, paths);
  expect(readdirSync(folder)).toEqual(['ipc', 'net', 'uts']);
});

it('SystemThread refuses calls once closed', async () => {
  await thread.close();
  await expect(removeNamespace(thread, paths.net)).rejects.toMatchObject({
    cause: { code: 'unavailable' },
  });
});

function namespaceDescriptors(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => {
      try {
        return /^(?:net|ipc|uts):/.test(readlinkSync(`/proc/self/fd/${fd}`));
      } catch {
        return false; // The descriptor of the listing itself.
      }
    });
}
