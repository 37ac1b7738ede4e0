import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createNamespaces } from '#linux/namespace.ts';
import type { HostPort } from './host-port.ts';
import {
  hostNetns,
  hostOutside,
  hostOutside6,
  outside,
  outside6,
  run,
  useSmallWorld,
} from './testdata/small-world.ts';
import { askWhoami, serveWhoami } from './testdata/whoami-process.ts';

const world = useSmallWorld({ bridge: 'pods0', subnets: ['198.18.0.0/24', 'fd00:18::/64'] });
const netns = (id: string): string => world.netns(id);
const inside = (id: string, ...command: string[]): string =>
  run('nsenter', `--net=${netns(id)}`, '--', ...command);

const setting = (path: string): string =>
  readFileSync(`/proc/sys/net/ipv6/conf/${path}`, 'utf8').trim();

const web: HostPort = { protocol: 'tcp', hostIp: '', hostPort: 8080, containerPort: 80 };
const dns: HostPort = { protocol: 'udp', hostIp: '', hostPort: 5300, containerPort: 53 };

it('a pod has an address of each family, usable at once, and no router but ours', async () => {
  const one = await world.addPod('one');
  expect([one.address, one.address6]).toEqual(['198.18.0.2', 'fd00:18::2']);
  const addresses = inside('one', 'ip', '-6', '-o', 'address', 'show', 'dev', 'eth0');
  expect(addresses).toContain('fd00:18::2/64 scope global');
  expect(addresses).not.toMatch(/tentative|dadfailed/);
  expect(inside('one', 'ip', '-6', 'route', 'show', 'default')).toContain('via fd00:18::1');
  expect(inside('one', 'sysctl', '-n', 'net.ipv6.conf.eth0.accept_ra').trim()).toBe('0');
});

it('sysctls that were set for the pod stay', async () => {
  const sysctls = { 'net.ipv6.conf.default.accept_ra': '2' };
  await createNamespaces(world.thread, { net: netns('one'), sysctls });
  await world.connectPod('one');
  expect(inside('one', 'sysctl', '-n', 'net.ipv6.conf.eth0.accept_ra').trim()).toBe('2');
});

it('pods reach each other as themselves, and the host, over IPv6', async () => {
  const [one, two] = [await world.addPod('one'), await world.addPod('two')];
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  await using _gateway = await serveWhoami(hostNetns, 'tcp', 81);
  expect(await askWhoami(netns('two'), 'tcp', [one.address6, 80])).toBe(two.address6);
  expect(await askWhoami(netns('two'), 'tcp', [two.gateway6, 81])).toBe(two.address6);
  expect(await askWhoami(hostNetns, 'tcp', [one.address6, 80])).toBe(one.gateway6);
});

it('pods reach the world under the addresses of the host', async () => {
  await world.addPod('one');
  await using _tcp = await serveWhoami(netns('outside'), 'tcp', 80);
  await using _udp = await serveWhoami(netns('outside'), 'udp', 53);
  expect(await askWhoami(netns('one'), 'tcp', [outside6, 80])).toBe(hostOutside6);
  expect(await askWhoami(netns('one'), 'udp', [outside6, 53])).toBe(hostOutside6);
  expect(await askWhoami(netns('one'), 'tcp', [outside, 80])).toBe(hostOutside);
});

it('a host port leads to the pod by both families, from everywhere', async () => {
  const one = await world.addPod('one', web, dns);
  await world.addPod('two');
  await using _tcp = await serveWhoami(netns('one'), 'tcp', 80);
  await using _udp = await serveWhoami(netns('one'), 'udp', 53);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe(outside);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside6, 8080])).toBe(outside6);
  expect(await askWhoami(netns('outside'), 'udp', [hostOutside6, 5300])).toBe(outside6);
  expect(await askWhoami(netns('two'), 'tcp', [hostOutside6, 8080])).toBe(one.gateway6);
  expect(await askWhoami(hostNetns, 'tcp', [one.gateway6, 8080])).toBe(one.gateway6);
  // From the pod itself, and back.
  expect(await askWhoami(netns('one'), 'tcp', [hostOutside6, 8080])).toBe(one.gateway6);
  expect(await askWhoami(netns('one'), 'tcp', [one.gateway6, 8080])).toBe(one.gateway6);
  expect(await askWhoami(netns('one'), 'udp', [hostOutside6, 5300])).toBe(one.gateway6);
});

it('a host port is open on ::1, unless bridged packets go through the IPv6 firewall', async () => {
  const one = await world.addPod('one', web);
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  run('sysctl', '-qw', 'net.bridge.bridge-nf-call-ip6tables=0');
  expect(await askWhoami(hostNetns, 'tcp', ['::1', 8080])).toBe(one.gateway6);
  // The loopback is still the host's own.
  await using _own = await serveWhoami(hostNetns, 'tcp', 7000);
  expect(await askWhoami(hostNetns, 'tcp', ['::1', 7000])).toBe('::1');
  expect(await askWhoami(hostNetns, 'tcp', ['127.0.0.1', 8080])).toBe(one.gateway);
});

it("pods do not reach what listens on the host's ::1", async () => {
  const one = await world.addPod('one', web);
  run('sysctl', '-qw', 'net.bridge.bridge-nf-call-ip6tables=0');
  await using _server = await serveWhoami(hostNetns, 'tcp', [7000, '::1']);
  inside('one', 'ip', 'address', 'delete', '::1/128', 'dev', 'lo');
  inside('one', 'ip', '-6', 'route', 'add', '::1/128', 'via', one.gateway6, 'dev', 'eth0');
  expect(await askWhoami(netns('one'), 'tcp', ['::1', 7000])).toBe('none');
});

it.each([
  ['::', 'none', outside6],
  ['0.0.0.0', outside, 'none'],
  [hostOutside6, 'none', outside6],
  [hostOutside, outside, 'none'],
])('a host port on %s is open to nobody else', async (hostIp, byIpv4, byIpv6) => {
  await world.addPod('one', { ...web, hostIp });
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe(byIpv4);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside6, 8080])).toBe(byIpv6);
});

it('host ports of both families close with their pod, and outlive a restart', async () => {
  await world.addPod('one', web);
  run('nft', 'flush', 'ruleset');
  await world.restart();
  await world.network.reconcile(new Set(['one']));
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside6, 8080])).toBe(outside6);
  await world.dropPod('one');
  expect(run('nft', 'list', 'ruleset')).not.toContain('8080');
});

it('the host forwards, and goes on listening to its routers', async () => {
  expect([setting('all/forwarding'), setting('world0/accept_ra')]).toEqual(['0', '0']);
  run('sysctl', '-qw', 'net.ipv6.conf.world0.accept_ra=1');
  await world.addPod('one');
  expect(setting('all/forwarding')).toBe('1');
  expect([setting('world0/accept_ra'), setting('lo/accept_ra')]).toEqual(['2', '1']);
  expect(setting('pods0/accept_ra')).toBe('0');
});

it('undo puts back what was there before, also after a restart, unless somebody changed it since', async () => {
  run('sysctl', '-qw', 'net.ipv6.conf.world0.accept_ra=1');
  run('sysctl', '-qw', 'net.ipv4.ip_forward=0');
  await world.addPod('one');
  await expect(world.network.undo()).rejects.toMatchObject({
    code: 'failed-precondition',
    message: 'take the network down: 1 pod is on it',
  });
  await world.dropPod('one');
  await world.restart();
  run('sysctl', '-qw', 'net.ipv6.conf.world0.accept_ra=0');
  expect(await world.network.undo()).toEqual([
    { path: 'net/ipv6/conf/all/forwarding', value: '0' },
    { path: 'net/ipv4/ip_forward', value: '0' },
    { path: 'net/ipv6/conf/default/accept_ra', value: '1' },
  ]);
  const names = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'];
  expect(names.map((name) => run('sysctl', '-n', name).trim())).toEqual(['0', '0']);
  expect(run('nft', 'list', 'ruleset')).toBe('');
  expect(run('ip', '-br', 'link')).not.toContain('pods0');
  expect(await world.network.undo()).toEqual([]);
  await world.addPod('two');
  expect(run('sysctl', '-n', 'net.ipv4.ip_forward').trim()).toBe('1');
});

it('pods from before the subnets were changed stay on the network', async () => {
  const one = await world.addPod('one');
  await world.restart({ subnets: ['198.18.9.0/24'] });
  run('ip', 'link', 'delete', 'pods0');
  await world.network.reconcile(new Set(['one']));
  const two = await world.addPod('two');
  expect([two.address, two.address6]).toEqual(['198.18.9.2', '']);
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  await using _world = await serveWhoami(netns('outside'), 'tcp', 80);
  expect(await askWhoami(netns('two'), 'tcp', [one.address, 80])).toBe(two.address);
  expect(await askWhoami(netns('one'), 'tcp', [outside6, 80])).toBe(hostOutside6);
});

it('pods of IPv6 alone have a network, too', async () => {
  await world.restart({ subnets: ['fd00:19::/64'] });
  const [one, two] = [await world.addPod('one', web), await world.addPod('two')];
  expect(one.address).toBe('fd00:19::2');
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('two'), 'tcp', [one.address, 80])).toBe(two.address);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside6, 8080])).toBe(outside6);
  await expect(world.addPod('three', { ...web, hostIp: '0.0.0.0' })).rejects.toMatchObject({
    cause: { message: 'map host port 0.0.0.0:8080/tcp: pods have no address of IPv4 here' },
  });
});

it('an MTU that is too small for IPv6 is refused in words', async () => {
  await world.restart({ mtu: 1000 });
  await expect(world.addPod('one')).rejects.toMatchObject({
    cause: { message: 'use an MTU of 1000: IPv6 needs 1280' },
  });
});
