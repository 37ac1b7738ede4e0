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
let bridge: string;

beforeEach(() => {
  thread = openSystemThread();
  folder = mkdtempSync(join(tmpdir(), 'gantry-netlink-'));
  bridge = `gt${randomBytes(4).toString('hex')}`;
});

afterEach(async () => {
  unmountUnder(folder);
  rmSync(folder, { recursive: true });
  await thread.run('deleteLinks', [`${bridge}p`, bridge]);
  await thread.close();
});

it('listLinkCounters counts what pods sent and received, each as the pod has it', async () => {
  const mac = '02:47:c6:12:65:01';
  const made = { name: bridge, mac, mtu: 1400, address: '198.18.101.1', prefixLength: 24 };
  const { index } = await thread.run('ensureBridge', made);
  const netnsPath = join(folder, 'net');
  await createNamespaces(thread, { net: netnsPath });
  await thread.run('connectPod', {
    bridgeIndex: index,
    netnsPath,
    hostInterface: `${bridge}p`,
    interfaceName: 'eth0',
    mac: '02:47:c6:12:65:02',
    mtu: 1400,
    address: '198.18.101.2',
    prefixLength: 24,
    gateway: '198.18.101.1',
  });
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
