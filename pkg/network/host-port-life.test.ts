import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { HostPort } from './host-port.ts';
import {
  hostNetns,
  hostOutside,
  outside,
  rules,
  run,
  useSmallWorld,
} from './testdata/small-world.ts';
import { askWhoami, serveWhoami } from './testdata/whoami-process.ts';

const world = useSmallWorld({ bridge: 'pods0', subnets: ['198.18.0.0/24', 'fd00:18::/64'] });
const netns = (id: string): string => world.netns(id);

const client = fileURLToPath(new URL('testdata/stay-connected.ts', import.meta.url));

const web: HostPort = { protocol: 'tcp', hostIp: '', hostPort: 8080, containerPort: 80 };
const dns: HostPort = { protocol: 'udp', hostIp: '', hostPort: 5300, containerPort: 53 };
/** A client that keeps its port, as the packets of one UDP flow have it. */
const flow = [hostOutside, 5300, 40_000] as const;

it('a UDP flow from before the host port was there is led to the pod', async () => {
  // With a pod on it, the host tracks connections.
  await world.addPod('other');
  expect(await askWhoami(netns('outside'), 'udp', flow)).toBe('none');
  await world.addPod('one', dns);
  await using _server = await serveWhoami(netns('one'), 'udp', 53);
  expect(await askWhoami(netns('outside'), 'udp', flow)).toBe(outside);
});

it('a UDP flow to a pod that has gone is led to the next one', async () => {
  await world.addPod('one', dns);
  {
    await using _server = await serveWhoami(netns('one'), 'udp', 53);
    expect(await askWhoami(netns('outside'), 'udp', flow)).toBe(outside);
  }
  await world.dropPod('one');
  await world.addPod('two', dns);
  await using _server = await serveWhoami(netns('two'), 'udp', 53);
  expect(await askWhoami(netns('outside'), 'udp', flow)).toBe(outside);
});

it('a client that is connected to a pod finds out at once that it has gone', async () => {
  await world.addPod('one', web);
  const listen = ['busybox', 'nc', '-l', '-p', '80'];
  const server = spawn('nsenter', [`--net=${netns('one')}`, ...listen], { stdio: 'pipe' });
  const args = [process.execPath, client, hostOutside, '8080'];
  const inOutside = [`--net=${netns('outside')}`, ...args];
  await expect.poll(() => run('nsenter', `--net=${netns('one')}`, 'ss', '-Hltn')).toContain(':80');
  const staying = spawn('nsenter', inOutside, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  staying.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await expect.poll(() => said, { timeout: 5000 }).toBe('connected\n');
  await world.network.removePod('one');
  await once(staying, 'close');
  server.kill('SIGKILL');
  expect(said).toBe('connected\nbroken off\n');
});

it('flows to other ports and pods are left alone', async () => {
  await world.addPod('one', dns);
  await world.addPod('two', { ...dns, hostPort: 5301 });
  await using _one = await serveWhoami(netns('one'), 'udp', 53);
  await using _two = await serveWhoami(netns('two'), 'udp', 53);
  await askWhoami(netns('outside'), 'udp', flow);
  await askWhoami(netns('outside'), 'udp', [hostOutside, 5301, 40_001]);
  await world.dropPod('two');
  const ports = tracked().flatMap((line) => /^udp .*? dport=(530\d)/.exec(line)?.[1] ?? []);
  expect(ports).toEqual(['5300']);
});

it('SCTP host ports have rules as the others do', async () => {
  await world.addPod('one', { ...web, protocol: 'sctp', hostPort: 3868 });
  expect(rules()).toMatch(/sctp . 3868 [^:]*: 198\.18\.0\.2 \. 80/);
  expect(rules()).toMatch(/sctp . 3868 [^:]*: fd00:18::2 \. 80/);
  await world.dropPod('one');
  expect(rules()).not.toContain('3868');
});

it.each([
  { on: '::', port: web, says: '[::]:8080/tcp' },
  { on: '0.0.0.0', port: { ...web, hostIp: hostOutside }, says: '0.0.0.0:8080/tcp' },
  { on: '::', port: { ...web, hostIp: '127.0.0.1' }, says: '[::]:8080/tcp' },
  { on: '127.0.0.1', port: web, says: '127.0.0.1:8080/tcp' },
  { on: '0.0.0.0', port: dns, says: '0.0.0.0:5300/udp' },
])('a port on "$port.hostIp" is refused with who waits on $says', async ({ on, port, says }) => {
  const protocol = port.protocol === 'udp' ? 'udp' : 'tcp';
  await using server = await serveWhoami(hostNetns, protocol, [port.hostPort, on]);
  await expect(world.addPod('one', port)).rejects.toMatchObject({
    code: 'already-exists',
    cause: { message: expect.stringContaining(`(process ${server.pid}) listens on ${says}`) },
  });
  expect(world.network.placeOf('one')).toBeUndefined();
});

it('a program that waits on another address, or by another protocol, is no reason', async () => {
  await using _other = await serveWhoami(hostNetns, 'tcp', [8080, '127.0.0.1']);
  await using _udp = await serveWhoami(hostNetns, 'udp', 8080);
  await world.addPod('one', { ...web, hostIp: hostOutside });
  await using _server = await serveWhoami(netns('one'), 'tcp', 80);
  expect(await askWhoami(netns('outside'), 'tcp', [hostOutside, 8080])).toBe(outside);
});

it('a program that came after the pod does not keep it from being connected again', async () => {
  await world.addPod('one', web);
  await using _late = await serveWhoami(hostNetns, 'tcp', 8080);
  await world.connectPod('one', web);
});

/** What the host's connection tracking knows, one line each, beginning with the protocol. */
function tracked(): string[] {
  return run('cat', '/proc/net/nf_conntrack')
    .split('\n')
    .map((line) => line.split(/\s+/).slice(2).join(' '));
}
