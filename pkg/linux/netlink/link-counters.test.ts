import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { unmountUnder } from '#linux/mount.ts';
import { createNamespaces } from '#linux/namespace.ts';
import { openSystemThread, type SystemThread } from '#linux/system-thread.ts';

let thread: SystemThread;
let folder: string;
let hostEnd: string;

beforeEach(() => {
  thread = openSystemThread();
  folder = mkdtempSync(join(tmpdir(), 'gantry-netlink-'));
  hostEnd = `gt${randomBytes(4).toString('hex')}`;
});

afterEach(async () => {
  unmountUnder([folder]);
  rmSync(folder, { recursive: true });
  await thread.run('deleteLinks', [hostEnd]);
  await thread.close();
});

it('listLinkCounters counts what pods sent and received, each as the pod has it', async () => {
  const netnsPath = join(folder, 'net');
  await createNamespaces(thread, { net: netnsPath });
  const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', netnsPath];
  execFileSync('ip', ['link', 'add', hostEnd, 'up', ...peer]);
  execFileSync('nsenter', [`--net=${netnsPath}`, 'ip', 'link', 'set', 'eth0', 'up']);
  // The kernel announces the pod's addresses by itself.
  await expect
    .poll(async () => (await thread.run('listLinkCounters', [netnsPath]))[0]?.[0]?.sent.packets)
    .toBeGreaterThan(0);
  const [links] = await thread.run('listLinkCounters', [netnsPath]);
  expect(links).toMatchObject([{ name: 'eth0', sent: { errors: 0 }, received: { errors: 0 } }]);
  expect(links?.[0]?.sent.bytes).toBeGreaterThanOrEqual(40);
});

it('listLinkCounters leaves out the loopback, and says where there is no namespace', async () => {
  const netnsPath = join(folder, 'net');
  await createNamespaces(thread, { net: netnsPath });
  writeFileSync(join(folder, 'file'), '');
  const paths = [netnsPath, join(folder, 'file'), join(folder, 'missing'), netnsPath];
  expect(await thread.run('listLinkCounters', paths)).toEqual([[], undefined, undefined, []]);
});
