import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { check, setns, unshare } from '#linux/libc.ts';
import { mountPointsUnder, unmount } from '#linux/mount.ts';
import { createNamespaces, removeNamespace } from '#linux/namespace.ts';
import {
  closeHomeNamespaces,
  type HomeNamespaces,
  namespaceFlags,
  openHomeNamespaces,
} from '#linux/namespace-home.ts';
import { findLink } from '#linux/netlink/link.ts';
import { deleteLink, setUp } from '#linux/netlink/link-request.ts';
import { newDefaultRoute } from '#linux/netlink/route.ts';
import { NetlinkSocket } from '#linux/netlink/socket.ts';
import { openSystemThread, type SystemThread } from '#linux/system-thread.ts';
import { createLog, type Log } from '#log/log.ts';
import { type Database, openDatabase } from '#store/database.ts';
import type { PodPlace } from './address-table.ts';
import type { HostPort } from './host-port.ts';
import { type NetworkConfig, openPodNetwork, type PodNetwork } from './pod-network.ts';
import { askWhoami, serveWhoami } from './testdata/whoami-process.ts';

// The "host" of these tests is a network namespace of their own, in which this thread, and with it
// the system thread and each program started, runs. Beyond it is an "outside" with a server or client:
//   pods ── pods0 (host) world0 ── outside 203.0.113.2

const config: NetworkConfig = { bridge: 'pods0', subnets: ['198.18.0.0/24'] };
const hostOutside = '203.0.113.1';
const outside = '203.0.113.2';
const hostOutside6 = '2001:db8::1';
const outside6 = '2001:db8::2';
const outsideMtu = 1300;

let home: HomeNamespaces;
let host: NetlinkSocket;
let thread: SystemThread;
let folder: string;
let database: Database;
let network: PodNetwork;
let logged: string[];
let log: Log;

beforeEach(async () => {
  home = openHomeNamespaces();
  check(unshare(namespaceFlags.net), 'unshare', 'net');
  host = new NetlinkSocket();
  host.request(setUp('lo'));
  thread = openSystemThread();
  folder = mkdtempSync(join(tmpdir(), 'gantry-network-'));
  database = openDatabase(join(folder, 'state.db'));
  logged = [];
  log = createLog('info', (line) => logged.push(line));
  await connectOutside();
  network = await open();
});

afterEach(async () => {
  await thread.close();
  database.close();
  host[Symbol.dispose]();
  check(setns(home.net, namespaceFlags.net), 'setns', 'net');
  closeHomeNamespaces(home);
  for (const point of mountPointsUnder(folder)) unmount(point);
  rmSync(folder, { recursive: true });
});

function open(change: Partial<NetworkConfig> = {}, nft = '/usr/sbin/nft'): Promise<PodNetwork> {
  return openPodNetwork({ config: { ...config, ...change }, database, thread, log, nft });
}

async function connectOutside(): Promise<void> {
  const bridge = { name: 'world0', mac: '02:00:00:00:00:01', mtu: outsideMtu };
  const addresses = [
    { address: hostOutside, prefixLength: 24 },
    { address: hostOutside6, prefixLength: 64 },
  ];
  const { index: bridgeIndex } = await thread.run('ensureBridge', { ...bridge, addresses });
  await createNamespaces(thread, { net: netns('outside') });
  await thread.run('connectPod', {
    bridgeIndex,
    netnsPath: netns('outside'),
    hostInterface: 'world1',
    interfaceName: 'eth0',
    mac: '02:00:00:00:00:02',
    mtu: outsideMtu,
    addresses: [
      { address: outside, prefixLength: 24, gateway: hostOutside },
      { address: outside6, prefixLength: 64, gateway: hostOutside6 },
    ],
  });
  host.request(newDefaultRoute(outside), newDefaultRoute(outside6));
}

function netns(id: string): string {
  return join(folder, id);
}

/** The host's own namespace, as nsenter(1) takes it. */
const hostNetns = `/proc/${process.pid}/task/${process.pid}/ns/net`;

/** A pod's place, with its primary address. */
type Pod = PodPlace & { readonly address: string; readonly gateway: string };

async function addPod(id: string, ...portMappings: HostPort[]): Promise<Pod> {
  await createNamespaces(thread, { net: netns(id) });
  return connectPod(id, ...portMappings);
}

/** Into a namespace that is there. */
async function connectPod(id: string, ...portMappings: HostPort[]): Promise<Pod> {
  const pod = { id, name: id, namespace: 'default', netnsPath: netns(id), portMappings };
  const { address } = await network.addPod(pod);
  const place = placeOf(id);
  expect(place.address).toBe(address);
  return place;
}

function placeOf(id: string): Pod {
  const place = network.placeOf(id);
  const [primary] = place?.addresses ?? [];
  if (place === undefined || primary === undefined) throw new Error(`${id} has a place`);
  return { ...place, ...primary };
}

async function dropPod(id: string): Promise<void> {
  await network.removePod(id);
  await removeNamespace(thread, netns(id));
}

function rules(): string {
  return execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
}

it('PodNetwork makes nothing before the first pod, and takes all away after the last', async () => {
  expect(findLink(host, 'pods0')).toBeUndefined();
  expect(rules()).toBe('');
  await addPod('one');
  expect(findLink(host, 'pods0')).toMatchObject({ kind: 'bridge', isUp: true });
  expect(rules()).toContain('table inet gantry-pods0 {');
  await dropPod('one');
  await network.close();
  expect(findLink(host, 'pods0')).toBeUndefined();
  expect(rules()).toBe('');
});

it('PodNetwork leaves bridge and rules to the pods that outlive it', async () => {
  await addPod('one');
  await network.close();
  expect(findLink(host, 'pods0')).toBeDefined();
  expect(rules()).toContain('gantry-pods0');
});

it('addPod takes over the MTU of the way out, or the configured one', async () => {
  const { mtu, hostInterface } = await addPod('one');
  expect(mtu).toBe(outsideMtu);
  expect(findLink(host, hostInterface)?.mtu).toBe(outsideMtu);
  network = await open({ mtu: 1280 });
  expect(await addPod('two')).toMatchObject({ mtu: 1280 });
});

it('pods reach each other as themselves, and the host', async () => {
  const [one, two] = [await addPod('one'), await addPod('two')];
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  await using _gateway = await serveWhoami(hostNetns, 'tcp', 81);
  expect(await askWhoami(netns('two'), 'tcp', [one.address, 80])).toBe(two.address);
  expect(await askWhoami(netns('two'), 'tcp', [two.gateway, 81])).toBe(two.address);
  expect(await askWhoami(hostNetns, 'tcp', [one.address, 80])).toBe(one.gateway);
});

it('pods reach the world under the address of the host', async () => {
  await addPod('one');
  await using _tcp = await serveWhoami(netns('outside'), 'tcp', 80);
  await using _udp = await serveWhoami(netns('outside'), 'udp', 53);
  expect(await askWhoami(netns('one'), 'tcp', [outside, 80])).toBe(hostOutside);
  expect(await askWhoami(netns('one'), 'udp', [outside, 53])).toBe(hostOutside);
});

it('addPod gives the same address to a pod that is added again, also into a new namespace', async () => {
  const first = await addPod('one');
  expect(await connectPod('one')).toEqual(first);
  await removeNamespace(thread, netns('one'));
  expect(await addPod('one')).toEqual(first);
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(hostNetns, 'tcp', [first.address, 80])).toBe(first.gateway);
});

it('addPod keeps the record of a pod that could not be connected, until it is removed', async () => {
  await expect(connectPod('one')).rejects.toThrow('connect pod "one" to the network');
  expect(placeOf('one')).toMatchObject({ address: '198.18.0.2' });
  await network.removePod('one');
  await network.removePod('one');
  expect(network.placeOf('one')).toBeUndefined();
});

it('removePod cuts the pod off at once, and what holds its namespace does not matter', async () => {
  const one = await addPod('one');
  await addPod('two');
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  await network.removePod('one');
  expect(await askWhoami(netns('two'), 'tcp', [one.address, 80])).toBe('none');
});

it('addPod heals a bridge that somebody deleted, for the pods that were on it, too', async () => {
  const one = await addPod('one');
  host.request(deleteLink('pods0'));
  const two = await addPod('two');
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('two'), 'tcp', [one.address, 80])).toBe(two.address);
});

it('addPod adds many pods at a time', async () => {
  const ids = Array.from({ length: 12 }, (_, index) => `pod${index}`);
  const places = await Promise.all(ids.map((id) => addPod(id)));
  expect(new Set(places.map(({ address }) => address)).size).toBe(12);
  expect(new Set(places.map(({ hostInterface }) => hostInterface)).size).toBe(12);
  await Promise.all(ids.map(dropPod));
  expect(ids.map((id) => network.placeOf(id))).toEqual(ids.map(() => undefined));
});

it('reconcile gives back what nobody owns, and heals the network of the others', async () => {
  const [one, two] = [await addPod('one'), await addPod('two')];
  database.close();
  host.request(deleteLink('pods0'));
  execFileSync('nft', ['flush', 'ruleset']);

  database = openDatabase(join(folder, 'state.db'));
  network = await open();
  await network.reconcile(new Set(['one']));
  expect(placeOf('one')).toEqual(one);
  expect(network.placeOf('two')).toBeUndefined();
  expect(findLink(host, two.hostInterface)).toBeUndefined();
  await using _server = await serveWhoami(netns('outside'), 'tcp', 80);
  expect(await askWhoami(netns('one'), 'tcp', [outside, 80])).toBe(hostOutside);
});

it('reconcile deletes host interfaces of which no record is left', async () => {
  const one = await addPod('one');
  await addPod('two');
  database.sql.exec("DELETE FROM pod_links WHERE id = 'one'");
  network = await open();
  await network.reconcile(new Set(['two']));
  expect(findLink(host, one.hostInterface)).toBeUndefined();
});

it('readiness heals what somebody took away', async () => {
  const one = await addPod('one');
  await using _inside = await serveWhoami(netns('one'), 'tcp', 80);
  await using _outside = await serveWhoami(netns('outside'), 'tcp', 80);
  execFileSync('nft', ['flush', 'ruleset']);
  expect(network.readiness()).toEqual({ ready: true });
  await expect.poll(rules).toContain('gantry-pods0');
  expect(await askWhoami(netns('one'), 'tcp', [outside, 80])).toBe(hostOutside);

  host.request(deleteLink('pods0'));
  network.readiness();
  await expect.poll(() => findLink(host, 'pods0')).toBeDefined();
  expect(await askWhoami(hostNetns, 'tcp', [one.address, 80])).toBe(one.gateway);
  expect(logged.filter((line) => line.includes('it is made again'))).toHaveLength(2);
});

it('readiness says what is wrong with nft, and recovers by itself', async () => {
  const program = join(folder, 'nft');
  network = await open({}, program);
  expect(network.readiness()).toMatchObject({ ready: false, reason: 'NftablesUnusable' });
  await expect(addPod('one')).rejects.toMatchObject({ code: 'unavailable' });
  execFileSync('ln', ['-s', execFileSync('which', ['nft'], { encoding: 'utf8' }).trim(), program]);
  await expect.poll(() => network.readiness()).toEqual({ ready: true });
  await connectPod('one');
});

it('readiness says that the host uses the subnet otherwise', async () => {
  network = await open({ subnets: ['203.0.0.0/16'] });
  expect(network.readiness()).toEqual({
    ready: false,
    reason: 'SubnetUnusable',
    message: 'use subnet 203.0.0.0/16: the host has a route to 203.0.113.0/24 over world0',
  });
  await expect(addPod('one')).rejects.toMatchObject({ code: 'failed-precondition' });
});

it('openPodNetwork refuses names that are none', async () => {
  await expect(open({ bridge: 'br0; flush' })).rejects.toThrow('use bridge "br0; flush"');
});

it('two networks live side by side', async () => {
  const one = await addPod('one');
  const first = network;
  const other = openDatabase(':memory:');
  const second = { bridge: 'pods1', subnets: ['198.18.1.0/24'] };
  network = await openPodNetwork({
    config: second,
    database: other,
    thread,
    log,
    nft: '/usr/sbin/nft',
  });
  const two = await addPod('two');
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('two'), 'tcp', [one.address, 80])).toBe(one.gateway);
  expect(two.address).toBe('198.18.1.2');
  await dropPod('two');
  await network.close();
  expect(rules()).not.toContain('gantry-pods1');
  expect(rules()).toContain('gantry-pods0');
  expect(first.placeOf('one')).toMatchObject({ mac: one.mac });
  other.close();
});

it('a firewall that drops forwarded packets is named once', async () => {
  const chain = 'type filter hook forward priority 0; policy drop;';
  execFileSync('nft', ['-f', '-'], { input: `table ip wall { chain gate { ${chain}\n}\n}` });
  await addPod('one');
  await addPod('two');
  expect(logged.filter((line) => line.includes('ip wall gate'))).toHaveLength(1);
});

const tcp: HostPort = { protocol: 'tcp', hostIp: '', hostPort: 8080, containerPort: 80 };
const udp: HostPort = { protocol: 'udp', hostIp: '', hostPort: 5300, containerPort: 53 };

it('a host port leads to the pod, from outside, the host, its loopback, and other pods', async () => {
  const one = await addPod('one', tcp, udp);
  await addPod('two');
  await using _tcp = await serveWhoami(netns('one'), 'tcp', 80);
  await using _udp = await serveWhoami(netns('one'), 'udp', 53);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe(outside);
  expect(await askWhoami(netns('outside'), 'udp', [hostOutside, 5300])).toBe(outside);
  expect(await askWhoami(hostNetns, 'tcp', [hostOutside, 8080])).toMatch(
    /^(203\.0\.113\.1|198\.18\.0\.1)$/,
  );
  expect(await askWhoami(hostNetns, 'tcp', ['127.0.0.1', 8080])).toBe(one.gateway);
  expect(await askWhoami(hostNetns, 'udp', ['127.0.0.1', 5300])).toBe(one.gateway);
  expect(await askWhoami(netns('two'), 'tcp', [hostOutside, 8080])).toBe(one.gateway);
  expect(await askWhoami(netns('one'), 'tcp', [hostOutside, 8080])).toBe(one.gateway);
  expect(await askWhoami(netns('two'), 'tcp', [one.gateway, 8080])).toBe(one.gateway);
});

it('a host port on one address is not open on another', async () => {
  const one = await addPod('one', { ...tcp, hostIp: '127.0.0.1' });
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(hostNetns, 'tcp', ['127.0.0.1', 8080])).toBe(one.gateway);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe('none');
});

it("pods do not reach what listens on the host's loopback", async () => {
  const one = await addPod('one', tcp);
  await using _server = await serveWhoami(hostNetns, 'tcp', 7000);
  const detour = [
    'echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet',
    'ip address delete 127.0.0.1/8 dev lo',
    `ip route add 127.0.0.0/8 via ${one.gateway}`,
  ].join(' && ');
  execFileSync('nsenter', [`--net=${netns('one')}`, 'sh', '-c', detour]);
  expect(await askWhoami(netns('one'), 'tcp', [one.gateway, 7000])).toBe(one.address);
  expect(await askWhoami(netns('one'), 'tcp', ['127.0.0.1', 7000])).toBe('none');
});

it('a host port closes with its pod, and opens for the next one', async () => {
  await addPod('one', tcp);
  await expect(addPod('two', tcp)).rejects.toMatchObject({
    code: 'already-exists',
    cause: { message: 'map host port 8080/tcp: pod "default/one" (one) has it' },
  });
  await dropPod('one');
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe('none');
  await connectPod('two', tcp);
  await using _server = await serveWhoami(netns('two'), 'tcp', 80);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe(outside);
});

it('host ports outlive a restart and a flush of the rules', async () => {
  await addPod('one', tcp);
  execFileSync('nft', ['flush', 'ruleset']);
  network = await open();
  await network.reconcile(new Set(['one']));
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe(outside);
  execFileSync('nft', ['flush', 'ruleset']);
  await dropPod('one');
  expect(rules()).not.toContain('8080');
});
