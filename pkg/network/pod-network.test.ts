import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { removeNamespace } from '#linux/namespace.ts';
import { findLink } from '#linux/netlink/link.ts';
import { deleteLink } from '#linux/netlink/link-request.ts';
import { openDatabase } from '#store/database.ts';
import type { HostPort } from './host-port.ts';
import { settleFindings } from './orphans.ts';
import { openPodNetwork } from './pod-network.ts';
import {
  hostNetns,
  hostOutside,
  outside,
  outsideMtu,
  rules,
  run,
  useSmallWorld,
} from './testdata/small-world.ts';
import { askWhoami, serveWhoami } from './testdata/whoami-process.ts';

const world = useSmallWorld({ bridge: 'pods0', subnets: ['198.18.0.0/24'] });
const addPod = world.addPod.bind(world);
const connectPod = world.connectPod.bind(world);
const dropPod = world.dropPod.bind(world);
const netns = world.netns.bind(world);
const open = world.open.bind(world);

it('PodNetwork makes nothing before the first pod, and takes all away after the last', async () => {
  expect(findLink(world.host, 'pods0')).toBeUndefined();
  expect(rules()).toBe('');
  await addPod('one');
  expect(findLink(world.host, 'pods0')).toMatchObject({ kind: 'bridge', isUp: true });
  expect(rules()).toContain('table inet gantry-pods0 {');
  await dropPod('one');
  await world.network.close();
  expect(findLink(world.host, 'pods0')).toBeUndefined();
  expect(rules()).toBe('');
});

it('PodNetwork leaves bridge and rules to the pods that outlive it', async () => {
  await addPod('one');
  await world.network.close();
  expect(findLink(world.host, 'pods0')).toBeDefined();
  expect(rules()).toContain('gantry-pods0');
});

it('addPod takes over the MTU of the way out, or the configured one', async () => {
  const { mtu, hostInterface } = await addPod('one');
  expect(mtu).toBe(outsideMtu);
  expect(findLink(world.host, hostInterface)?.mtu).toBe(outsideMtu);
  world.network = await open({ mtu: 1280 });
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
  await removeNamespace(world.thread, netns('one'));
  expect(await addPod('one')).toEqual(first);
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(hostNetns, 'tcp', [first.address, 80])).toBe(first.gateway);
});

it('addPod keeps the record of a pod that could not be connected, until it is removed', async () => {
  await expect(connectPod('one')).rejects.toThrow('connect pod "one" to the network');
  expect(world.placeOf('one')).toMatchObject({ address: '198.18.0.2' });
  await world.network.removePod('one');
  await world.network.removePod('one');
  expect(world.network.placeOf('one')).toBeUndefined();
});

it('removePod cuts the pod off at once, and what holds its namespace does not matter', async () => {
  const one = await addPod('one');
  await addPod('two');
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  await world.network.removePod('one');
  expect(await askWhoami(netns('two'), 'tcp', [one.address, 80])).toBe('none');
});

it('addPod heals a bridge that somebody deleted, for the pods that were on it, too', async () => {
  const one = await addPod('one');
  world.host.request(deleteLink('pods0'));
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
  expect(ids.map((id) => world.network.placeOf(id))).toEqual(ids.map(() => undefined));
});

it('reconcile gives back what nobody owns, and heals the network of the others', async () => {
  const [one, two] = [await addPod('one'), await addPod('two')];
  world.host.request(deleteLink('pods0'));
  run('nft', 'flush', 'ruleset');

  await world.restart();
  await world.network.reconcile(new Set(['one']));
  expect(world.placeOf('one')).toEqual(one);
  expect(world.network.placeOf('two')).toBeUndefined();
  expect(findLink(world.host, two.hostInterface)).toBeUndefined();
  await using _server = await serveWhoami(netns('outside'), 'tcp', 80);
  expect(await askWhoami(netns('one'), 'tcp', [outside, 80])).toBe(hostOutside);
});

it('reconcile deletes host interfaces of which no record is left', async () => {
  const one = await addPod('one');
  await addPod('two');
  world.database.sql.exec("DELETE FROM pod_links WHERE id = 'one'");
  world.network = await open();
  await world.network.reconcile(new Set(['two']));
  expect(findLink(world.host, one.hostInterface)).toBeUndefined();
});

it('findOrphans finds the addresses of pods that are gone, and gives them back', async () => {
  const [one] = [await addPod('one', tcp), await addPod('two')];
  expect(await world.network.findOrphans(new Set(['one', 'two']))).toEqual([]);
  const findings = await world.network.findOrphans(new Set(['two']));
  expect(await settleFindings(findings, { isFixing: false })).toEqual([
    {
      kind: 'address',
      subject: `address ${one.address}`,
      problem: 'is held for pod one, which is gone',
      outcome: 'found',
    },
  ]);
  expect(await settleFindings(findings, { isFixing: true })).toMatchObject([{ outcome: 'fixed' }]);
  // Its namespace is still there, and with it the link.
  const rest = await world.network.findOrphans(new Set(['two']));
  expect(rest).toMatchObject([{ kind: 'link', problem: 'belongs to no pod' }]);
  await removeNamespace(world.thread, netns('one'));
  expect(await world.network.findOrphans(new Set(['two']))).toEqual([]);
  expect(world.network.placeOf('one')).toBeUndefined();
});

it('viewPorts tells how many connections each port has led', async () => {
  const one = await addPod('one', tcp, udp);
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080]);
  await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080]);
  const ports = (await world.network.viewPorts()).get('one');
  expect(ports).toMatchObject([
    { hostPort: 8080, podAddress: one.address, containerPort: 80, connections: 2 },
    { hostPort: 5300, rule: 'there', connections: 0 },
  ]);
  run('nft', 'flush', 'map', 'inet', 'gantry-pods0', 'ports-of-host-4');
  expect((await world.network.viewPorts()).get('one')).toMatchObject([
    { hostPort: 8080, rule: 'missing' },
    { hostPort: 5300, rule: 'missing' },
  ]);
  world.network = await open({}, () => '/no/such/nft');
  expect((await world.network.viewPorts()).get('one')).toMatchObject([
    { hostPort: 8080, rule: 'unknown' },
    { hostPort: 5300, rule: 'unknown' },
  ]);
});

it('readiness heals what somebody took away', async () => {
  const one = await addPod('one');
  await using _inside = await serveWhoami(netns('one'), 'tcp', 80);
  await using _outside = await serveWhoami(netns('outside'), 'tcp', 80);
  run('nft', 'flush', 'ruleset');
  expect(world.network.readiness()).toEqual({ ready: true });
  await expect.poll(rules).toContain('gantry-pods0');
  expect(await askWhoami(netns('one'), 'tcp', [outside, 80])).toBe(hostOutside);

  world.host.request(deleteLink('pods0'));
  world.network.readiness();
  await expect.poll(() => findLink(world.host, 'pods0')).toBeDefined();
  expect(await askWhoami(hostNetns, 'tcp', [one.address, 80])).toBe(one.gateway);
  expect(world.logged.filter((line) => line.includes('it is made again'))).toHaveLength(2);
});

it.each([
  ['bridge pods0 is down', 'ip link set pods0 down'],
  ['bridge pods0 has no address 198.18.0.1 any more', 'ip address flush dev pods0'],
  ['table inet gantry-pods0 lacks rules', 'nft flush table inet gantry-pods0'],
  ['table inet gantry-pods0 lacks rules', 'nft delete table inet gantry-pods0'],
])('"%s" is found and healed', async (lack, command) => {
  await addPod('one');
  await using _outside = await serveWhoami(netns('outside'), 'tcp', 80);
  const reached = () => askWhoami(netns('one'), 'tcp', [outside, 80]);
  const [program = '', ...args] = command.split(' ');
  run(program, ...args);
  const findings = await world.network.findOrphans(new Set(['one']));
  expect(findings.map(({ subject, problem }) => `${subject} ${problem}`)).toContain(lack);
  world.network.readiness();
  await expect.poll(reached).toBe(hostOutside);
  expect(world.logged.filter((line) => line.includes(lack))).toHaveLength(1);

  run(program, ...args);
  await settleFindings(await world.network.findOrphans(new Set(['one'])), { isFixing: true });
  expect(await world.network.findOrphans(new Set(['one']))).toEqual([]);
  expect(await reached()).toBe(hostOutside);
});

it('the next pod has a table made again that somebody deleted', async () => {
  await addPod('one');
  run('nft', 'flush', 'ruleset');
  await expect
    .poll(async () => {
      await addPod(`pod${performance.now()}`);
      return rules();
    })
    .toContain('gantry-pods0');
});

it('the bridge gives up the addresses of subnets that the last pod has left', async () => {
  await addPod('one');
  run('ip', 'address', 'add', '198.18.9.9/24', 'dev', 'pods0');
  await world.restart({ subnets: ['198.18.1.0/24'] });
  await addPod('two');
  expect(addressesOfBridge()).toMatch(/198\.18\.0\.1\/24 .*198\.18\.1\.1\/24/);
  await dropPod('one');
  world.network.readiness();
  await expect.poll(addressesOfBridge).not.toContain('198.18.0.1/');
  expect(addressesOfBridge()).toMatch(/198\.18\.9\.9\/24 .*198\.18\.1\.1\/24/);
  expect(world.logged.join('')).not.toContain('somebody took away');
});

it('readiness says what is wrong with nft, and recovers by itself', async () => {
  const program = join(world.folder, 'nft');
  world.network = await open({}, () => program);
  expect(world.network.readiness()).toMatchObject({ ready: false, reason: 'NftablesUnusable' });
  await expect(addPod('one')).rejects.toMatchObject({ code: 'unavailable' });
  execFileSync('ln', ['-s', execFileSync('which', ['nft'], { encoding: 'utf8' }).trim(), program]);
  await expect.poll(() => world.network.readiness()).toEqual({ ready: true });
  await connectPod('one');
});

it('readiness says that nft refuses what is needed, and recovers by itself', async () => {
  const program = join(world.folder, 'nft');
  symlinkSync('/usr/sbin/nft', program);
  world.network = await open({}, () => program);
  const one = await addPod('one');
  rmSync(program);
  writeFileSync(program, '#!/bin/sh\necho "Error: not today" >&2\nexit 1\n', { mode: 0o755 });
  run('nft', 'flush', 'ruleset');
  await expect
    .poll(() => world.network.readiness())
    .toMatchObject({
      ready: false,
      reason: 'NftablesUnusable',
      message: expect.stringContaining('Error: not today'),
    });
  rmSync(program);
  symlinkSync('/usr/sbin/nft', program);
  await expect.poll(() => world.network.readiness()).toEqual({ ready: true });
  await using _server = await serveWhoami(netns('outside'), 'tcp', 80);
  expect(await askWhoami(netns('one'), 'tcp', [outside, 80])).toBe(hostOutside);
  expect(world.placeOf('one')).toEqual(one);
});

it('without an nft a pod with ports can stop, unless its ports are open', async () => {
  let program = '/usr/sbin/nft';
  world.network = await open({}, () => program);
  await addPod('one', tcp);
  program = '/no/such/nft';
  await expect(world.network.removePod('one')).rejects.toThrow('take pod "one" off the network');
  run('nft', 'flush', 'ruleset');
  await world.network.removePod('one');
  expect(world.network.placeOf('one')).toBeUndefined();
});

it('readiness says that something else has the name of the bridge, and recovers by itself', async () => {
  run('ip', 'link', 'add', 'pods0', 'type', 'veth', 'peer', 'name', 'pods1');
  const message = 'use bridge "pods0": there is a veth of that name';
  world.network = await open();
  const clash = { ready: false, reason: 'BridgeUnusable', message };
  expect(world.network.readiness()).toEqual(clash);
  await expect(addPod('one')).rejects.toMatchObject({ code: 'failed-precondition' });
  expect(run('ip', '-br', 'address', 'show', 'pods0')).not.toContain('198.18');
  run('ip', 'link', 'delete', 'pods0');
  await expect.poll(() => world.network.readiness()).toEqual({ ready: true });
  await connectPod('one');
});

it('readiness heals forwarding that somebody switched off', async () => {
  await addPod('one');
  run('sysctl', '-qw', 'net.ipv4.ip_forward=0');
  world.network.readiness();
  await expect.poll(() => run('sysctl', '-n', 'net.ipv4.ip_forward').trim()).toBe('1');
});

it('removePod takes off a pod whose namespace somebody deleted', async () => {
  const one = await addPod('one', tcp);
  await removeNamespace(world.thread, netns('one'));
  await expect.poll(() => findLink(world.host, one.hostInterface)).toBeUndefined();
  await world.network.removePod('one');
  expect(world.network.placeOf('one')).toBeUndefined();
  expect(rules()).not.toContain('8080');
});

it('addPod says that the namespace is gone', async () => {
  await expect(connectPod('one')).rejects.toMatchObject({
    message: 'connect pod "one" to the network',
    cause: { message: expect.stringContaining('ENOENT') },
  });
});

it('readiness says that the host uses the subnet otherwise', async () => {
  world.network = await open({ subnets: ['203.0.0.0/16'] });
  expect(world.network.readiness()).toEqual({
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
  const first = world.network;
  const other = openDatabase(':memory:');
  const second = { bridge: 'pods1', subnets: ['198.18.1.0/24'] };
  world.network = await openPodNetwork({
    config: second,
    database: other,
    thread: world.thread,
    log: world.log,
    nft: () => '/usr/sbin/nft',
  });
  const two = await addPod('two');
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('two'), 'tcp', [one.address, 80])).toBe(one.gateway);
  expect(two.address).toBe('198.18.1.2');
  await dropPod('two');
  await world.network.close();
  expect(rules()).not.toContain('gantry-pods1');
  expect(rules()).toContain('gantry-pods0');
  expect(first.placeOf('one')).toMatchObject({ mac: one.mac });
  other.close();
});

it('a bridge that another daemon has is left alone, until that one ends', async () => {
  const two = await addPod('two');
  const table = rules();
  await world.network.close();
  // What the other daemon's pod has: to this one's records it belongs to nobody.
  world.database.sql.exec('DELETE FROM pod_links');
  using other = await occupyBridge();
  world.network = await open({ subnets: ['198.18.1.0/24'] });
  const message = `use bridge "pods0": another daemon (process ${other.pid}) has it`;
  expect(world.network.readiness()).toMatchObject({
    reason: 'BridgeUnusable',
    message: expect.stringContaining(message),
  });
  await expect(addPod('one')).rejects.toMatchObject({ code: 'failed-precondition' });
  await world.network.removePod('one');
  await expect(world.network.reconcile(new Set())).rejects.toThrow(message);
  const findings = await world.network.findOrphans(new Set());
  expect(await settleFindings(findings, { isFixing: true })).toMatchObject([
    { kind: 'bridge', subject: 'bridge pods0', outcome: 'not fixed' },
  ]);
  await expect(world.network.undo()).rejects.toThrow(message);
  await world.network.close();
  expect(findLink(world.host, two.hostInterface)).toMatchObject({ isUp: true });
  expect(rules()).toBe(table);

  other.kill();
  await expect.poll(() => connectPod('one').then(() => 'ok', String)).toBe('ok');
});

it.each([
  ['a user', ['setpriv', '--reuid', '65534', '--clear-groups'] as const],
  ['a container', ['unshare', '--mount'] as const],
])('no process of %s keeps it from its bridge', async (_, asWhom) => {
  await world.network.close();
  using _stranger = await occupyBridge(asWhom);
  world.network = await open({ subnets: ['198.18.1.0/24'] });
  expect(world.network.readiness()).toEqual({ ready: true });
  expect((await addPod('one')).address).toBe('198.18.1.2');
});

it('firewalls that drop forwarded packets are named once', async () => {
  const hook = 'type filter hook forward priority 0;';
  const chains = `chain gate { ${hook} policy drop;\n}
    chain fence { ${hook} policy accept;\nct state established accept\nreject\n}
    chain door { ${hook} policy accept;\nct state invalid drop\n}`;
  execFileSync('nft', ['-f', '-'], { input: `table ip wall { ${chains}\n}` });
  await addPod('one');
  await addPod('two');
  expect(
    world.logged.filter((line) => line.includes('"ip wall gate","ip wall fence"]')),
  ).toHaveLength(1);
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
  run('nft', 'flush', 'ruleset');
  world.network = await open();
  await world.network.reconcile(new Set(['one']));
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe(outside);
  run('nft', 'flush', 'ruleset');
  await dropPod('one');
  expect(rules()).not.toContain('8080');
});

function addressesOfBridge(): string {
  return run('ip', '-br', 'address', 'show', 'pods0');
}

/** Another process that has the bridge, as a daemon has it. */
/** `asWhom` starts what does so. */
async function occupyBridge(
  asWhom: readonly [string, ...string[]] = ['env'],
): Promise<Disposable & { readonly pid: number; kill(): void }> {
  const listen = `net.createServer().listen('\\0gantry-bridge/pods0', () => console.log('taken'))`;
  const [starter, ...args] = asWhom;
  const node = [process.execPath, '-e', listen];
  const child = spawn(starter, [...args, ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const kill = () => void child.kill('SIGKILL');
  return { pid: child.pid ?? 0, kill, [Symbol.dispose]: kill };
}
