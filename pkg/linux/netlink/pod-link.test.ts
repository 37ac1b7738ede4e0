import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { mountPointsUnder, unmount } from '#linux/mount.ts';
import { createNamespaces, removeNamespace } from '#linux/namespace.ts';
import { closeHomeNamespaces, insideNetns, openHomeNamespaces } from '#linux/namespace-home.ts';
import { openSystemThread, type SystemThread } from '#linux/system-thread.ts';
import { type Address, listAddresses, newAddress } from './address.ts';
import { type Link, listLinks } from './link.ts';
import { listNeighbours } from './neighbour.ts';
import type { PodLink } from './pod-link.ts';
import { listRoutes, type Route } from './route.ts';
import { NetlinkSocket } from './socket.ts';

// A busy kernel takes its time over links that come and go.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let thread: SystemThread;
let folder: string;
let name: string;

beforeEach(() => {
  thread = openSystemThread();
  folder = mkdtempSync(join(tmpdir(), 'gantry-netlink-'));
  name = `gt${randomBytes(4).toString('hex')}`;
});

afterEach(async () => {
  for (const point of mountPointsUnder(folder)) unmount(point);
  rmSync(folder, { recursive: true });
  const { links } = await thread.run('listHostNetwork', undefined);
  const made = links.filter((link) => link.name.startsWith(name)).map((link) => link.name);
  await thread.run('deleteLinks', made);
  await thread.close();
});

const mac = '02:47:c6:12:64:01';

function ensureBridge(): Promise<{ index: number }> {
  const bridge = {
    name,
    mac,
    mtu: 1400,
    addresses: [{ address: '198.18.100.1', prefixLength: 24 }],
  };
  return thread.run('ensureBridge', bridge);
}

async function newPod(bridgeIndex: number, number = 2): Promise<PodLink> {
  const netnsPath = join(folder, `net${number}`);
  await createNamespaces(thread, { net: netnsPath });
  return {
    bridgeIndex,
    netnsPath,
    hostInterface: `${name}p${number}`,
    interfaceName: 'eth0',
    mac: `02:47:c6:12:64:0${number}`,
    mtu: 1400,
    addresses: [{ address: `198.18.100.${number}`, prefixLength: 24, gateway: '198.18.100.1' }],
  };
}

async function hostLink(link: string): Promise<Link | undefined> {
  const { links } = await thread.run('listHostNetwork', undefined);
  return links.find((each) => each.name === link);
}

function networkInside(netnsPath: string): {
  links: Link[];
  addresses: Address[];
  routes: Route[];
} {
  const home = openHomeNamespaces();
  const fd = openSync(netnsPath, 'r');
  try {
    using socket = insideNetns(home, fd, () => new NetlinkSocket());
    return {
      links: listLinks(socket),
      addresses: listAddresses(socket),
      routes: listRoutes(socket),
    };
  } finally {
    closeSync(fd);
    closeHomeNamespaces(home);
  }
}

it('ensureBridge makes a bridge with a MAC, an MTU and an address, once', async () => {
  const { index } = await ensureBridge();
  expect(await ensureBridge()).toEqual({ index });
  const { links, addresses, routes } = await thread.run('listHostNetwork', undefined);
  const bridge = links.find((link) => link.name === name);
  expect(bridge).toMatchObject({ kind: 'bridge', mac, mtu: 1400, isUp: true });
  const linkIndex = bridge?.index;
  expect(addresses).toContainEqual({ linkIndex, address: '198.18.100.1', prefixLength: 24 });
  expect(routes).toContainEqual({
    destination: '198.18.100.0',
    prefixLength: 24,
    gateway: undefined,
    linkIndex,
    metric: 0,
    mtu: undefined,
  });
});

it('ensureBridge does not take a link that is no bridge', async () => {
  await expect(
    thread.run('ensureBridge', {
      name: 'lo',
      mac,
      mtu: 1400,
      addresses: [{ address: '198.18.100.1', prefixLength: 24 }],
    }),
  ).rejects.toMatchObject({
    code: 'failed-precondition',
    message: 'use "lo" as bridge: it is a device',
  });
});

it('connectPod gives the pod loopback, an address and a default route', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  await thread.run('connectPod', pod);

  const { links, addresses, routes } = networkInside(pod.netnsPath);
  const eth0 = links.find((link) => link.name === 'eth0');
  expect(eth0).toMatchObject({ kind: 'veth', mac: pod.mac, mtu: 1400, isUp: true });
  expect(links.find((link) => link.name === 'lo')).toMatchObject({ isUp: true });
  const linkIndex = eth0?.index;
  expect(addresses).toContainEqual({ linkIndex, address: '198.18.100.2', prefixLength: 24 });
  expect(addresses).toContainEqual({ linkIndex: 1, address: '127.0.0.1', prefixLength: 8 });
  expect(routes).toContainEqual({
    destination: '0.0.0.0',
    prefixLength: 0,
    gateway: '198.18.100.1',
    linkIndex,
    metric: 0,
    mtu: undefined,
  });
});

it('connectPod makes the host end a port of the bridge, in hairpin mode, without IPv6', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  await thread.run('connectPod', pod);
  const [port, bridge] = [await hostLink(pod.hostInterface), await hostLink(name)];
  expect(port).toMatchObject({ kind: 'veth', isUp: true, mtu: 1400, bridgeIndex: bridge?.index });
  expect(readFileSync(`/sys/class/net/${pod.hostInterface}/brport/hairpin_mode`, 'utf8')).toBe(
    '1\n',
  );
  expect(readdirSync(`/sys/class/net/${pod.hostInterface}/queues`)).toEqual(['rx-0', 'tx-0']);
  expect(readFileSync('/proc/net/if_inet6', 'utf8')).not.toContain(pod.hostInterface);
});

it('connectPod takes an MTU that is too small for IPv6', async () => {
  const { index } = await ensureBridge();
  const pod = { ...(await newPod(index)), mtu: 1000 };
  await thread.run('connectPod', pod);
  expect(await hostLink(pod.hostInterface)).toMatchObject({ mtu: 1000 });
});

it('connectPod replaces what an earlier attempt left', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  await thread.run('connectPod', pod);
  const before = await hostLink(pod.hostInterface);
  await thread.run('connectPod', pod);
  const after = await hostLink(pod.hostInterface);
  expect(after?.index).toBeGreaterThan(before?.index ?? Infinity);
  expect(networkInside(pod.netnsPath).addresses).toContainEqual(
    expect.objectContaining({ address: '198.18.100.2' }),
  );
});

it('connectPod says that the bridge is gone, and leaves nothing', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  await thread.run('deleteLinks', [name]);
  await expect(thread.run('connectPod', pod)).rejects.toMatchObject({ code: 'not-found' });
  expect(await hostLink(pod.hostInterface)).toBeUndefined();
});

it('connectPod undoes the pair when the pod cannot be configured', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  const addresses = pod.addresses.map((each) => ({ ...each, gateway: '203.0.113.1' }));
  const broken = { ...pod, addresses };
  await expect(thread.run('connectPod', broken)).rejects.toMatchObject({
    syscall: 'netlink',
    code: 'ENETUNREACH',
    message: 'netlink(add default route by 203.0.113.1: Nexthop has invalid gateway): ENETUNREACH',
  });
  expect(await hostLink(pod.hostInterface)).toBeUndefined();
});

it('joinBridge connects the pods to a bridge that was made anew', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  await thread.run('connectPod', pod);
  await thread.run('deleteLinks', [name]);
  expect(await hostLink(pod.hostInterface)).toMatchObject({ bridgeIndex: undefined });

  const { index: bridgeIndex } = await ensureBridge();
  await thread.run('joinBridge', { bridgeIndex, links: [pod.hostInterface, `${name}gone`] });
  const [port, bridge] = [await hostLink(pod.hostInterface), await hostLink(name)];
  expect(port?.bridgeIndex).toBe(bridge?.index);
  expect(readFileSync(`/sys/class/net/${pod.hostInterface}/brport/hairpin_mode`, 'utf8')).toBe(
    '1\n',
  );
});

it('disconnectPort sets a link down, and succeeds when it is gone', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  await thread.run('connectPod', pod);
  await thread.run('disconnectPort', { link: pod.hostInterface, bridge: name, addresses: [] });
  expect(await hostLink(pod.hostInterface)).toMatchObject({ isUp: false });
  await thread.run('disconnectPort', { link: `${name}gone`, bridge: name, addresses: [] });
});

it('disconnectPort has the host forget who was behind the addresses', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  await thread.run('connectPod', pod);
  using socket = new NetlinkSocket();
  const [address = ''] = pod.addresses.map((each) => each.address);
  const known = () => listNeighbours(socket).find((each) => each.address === address);
  // Whoever is asked, the answer comes from the pod's own kernel.
  createSocket('udp4').unref().send('hello', 9, address);
  await expect.poll(known).toMatchObject({ linkIndex: index, mac: pod.mac });
  await thread.run('disconnectPort', {
    link: pod.hostInterface,
    bridge: name,
    addresses: [address, '198.18.100.99', 'fd00::99'],
  });
  expect(known()).toBeUndefined();
});

it('connectPod gives addresses of IPv6 that are usable at once', async () => {
  const gateway = 'fd00:100::1';
  const { index } = await thread.run('ensureBridge', {
    name,
    mac,
    mtu: 1400,
    addresses: [{ address: gateway, prefixLength: 64 }],
  });
  const addresses = [{ address: 'fd00:100::2', prefixLength: 64, gateway }];
  const pod = { ...(await newPod(index)), addresses };
  await thread.run('connectPod', pod);
  const inside = networkInside(pod.netnsPath);
  const linkIndex = inside.links.find((link) => link.name === 'eth0')?.index;
  expect(inside.addresses).toContainEqual({ linkIndex, address: 'fd00:100::2', prefixLength: 64 });
  expect(inside.routes).toContainEqual({
    destination: '::',
    prefixLength: 0,
    gateway,
    linkIndex,
    metric: expect.any(Number),
    mtu: undefined,
  });
  // No doubt about it is left: flags are the fifth column, of which 0x80 is "permanent".
  const table = execFileSync('nsenter', [`--net=${pod.netnsPath}`, 'cat', '/proc/net/if_inet6']);
  expect(table.toString()).toMatch(/^fd000100000000000000000000000002 \w+ 40 00 8[02] +eth0$/m);
  expect((await hostLink(pod.hostInterface))?.peerIndex).toBe(linkIndex);
});

it('removing the network namespace takes the host end with it', async () => {
  const { index } = await ensureBridge();
  const pod = await newPod(index);
  await thread.run('connectPod', pod);
  await removeNamespace(thread, pod.netnsPath);
  await expect.poll(() => existsSync(`/sys/class/net/${pod.hostInterface}`)).toBe(false);
});

it('NetlinkSocket carries out the requests after a refused one, and names the refused one', async () => {
  await ensureBridge();
  using socket = new NetlinkSocket();
  const linkIndex = (await hostLink(name))?.index ?? 0;
  const broken = newAddress({ linkIndex, address: '198.18.101.1', prefixLength: 77 });
  const whole = newAddress({ linkIndex, address: '198.18.102.1', prefixLength: 24 });
  expect(() => socket.request(broken, whole)).toThrow('add address 198.18.101.1/77');
  expect(listAddresses(socket)).toContainEqual({
    linkIndex,
    address: '198.18.102.1',
    prefixLength: 24,
  });
});

it('listLinks reads a list that is longer than one datagram', async () => {
  const { index } = await ensureBridge();
  for (let number = 2; number < 10; number++) {
    await thread.run('connectPod', await newPod(index, number));
  }
  using socket = new NetlinkSocket();
  const ports = listLinks(socket).filter((link) => link.name.startsWith(`${name}p`));
  expect(ports).toHaveLength(8);
});
