import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { Protocol } from '#api/cri/v1/types.ts';
import { test } from './harness/fixture.ts';
import { gantry, gantryOutcome } from './harness/gantry.ts';
import { startDaemon } from './harness/daemon.ts';
import { podStatus, runPod } from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const hostPort = 32_000 + (process.pid % 500);
const portMappings = [{ protocol: Protocol.TCP, containerPort: 8080, hostPort }];

test('gantry net tells of a pod what the kernel has', async ({ daemon }) => {
  const { place, cri } = daemon;
  const pod = await runPod(daemon, { portMappings });
  const ip = (await podStatus(cri, pod.id)).network?.ip ?? '';
  const text = await gantry(place, 'net', pod.config.metadata?.name ?? '');
  expect(text).toContain(pod.id.slice(0, 12));
  expect(text).toMatch(new RegExp(`eth0 up   to gantry[0-9a-f]{9} on ${place.bridge} `));
  expect(text).toContain(`  ${ip}/24\n`);
  expect(text).toMatch(/route default\s+via 10\.213\.\d+\.1 dev eth0/);
  expect(text).toMatch(
    new RegExp(`port 0.0.0.0:${hostPort}/tcp\\s+to ${ip}:8080\\s+0 connections`),
  );

  const [view] = JSON.parse(await gantry(place, 'net', '--json', pod.id.slice(0, 12)));
  expect(view).toMatchObject({
    id: pod.id,
    network: {
      interfaces: [{ name: 'eth0', bridge: place.bridge, sent: { errors: 0 } }],
      routes: expect.arrayContaining([expect.objectContaining({ destination: 'default' })]),
    },
    ports: [{ hostPort, podAddress: ip, connections: 0 }],
  });
  await fetch(`http://${place.subnet.replace('.0/24', '.1')}:${hostPort}`).catch(() => {});
  const [counted] = JSON.parse(await gantry(place, 'net', '--json', pod.id));
  expect(counted.ports[0].connections).toBe(1);
});

test('gantry net check finds nothing where all is well', async ({ daemon }) => {
  await runPod(daemon, { portMappings });
  expect(await gantry(daemon.place, 'net', 'check')).toBe('the network is as it should be');
  const unknown = await gantryOutcome(daemon.place, 'net', 'nosuch');
  expect(unknown).toMatchObject({ exitCode: 1, stdout: '' });
  expect(unknown.stderr).toBe('gantry: there is no pod "nosuch" with a network of its own');
});

test('gantry net check finds what belongs to no pod, and --fix removes it', async ({ daemon }) => {
  const { place, cri } = daemon;
  const pod = await runPod(daemon, { portMappings });
  const stray = 'gantryfffffffff';
  execFileSync('ip', ['link', 'add', stray, 'type', 'veth', 'peer', 'name', 'gantryffffffffe']);
  execFileSync('ip', ['link', 'set', stray, 'master', place.bridge]);
  const table = ['inet', `gantry-${place.bridge}`];
  const rule = '{ tcp . 9 : 10.9.9.9 . 9 }';
  execFileSync('nft', ['add', 'element', ...table, 'ports-of-host-4', rule]);
  const own = `{ tcp . ${hostPort} }`;
  execFileSync('nft', ['delete', 'element', ...table, 'ports-of-host-4', own]);
  const id = 'f'.repeat(64);
  const netns = join(place.state, 'sandboxes', id, 'net');
  mkdirSync(dirname(netns));
  writeFileSync(netns, '');
  execFileSync('unshare', [`--net=${netns}`, 'true']);

  const found = await gantryOutcome(place, 'net', 'check');
  expect(found.exitCode).toBe(1);
  expect(found.stdout).toContain(`link ${stray} on ${place.bridge}\tbelongs to no pod\tfound`);
  expect(found.stdout).toContain(
    'rule ports-of-host-4: tcp . 9 to 10.9.9.9 . 9\tbelongs to no pod',
  );
  expect(found.stdout).toMatch(new RegExp(`rule ports-of-host-4: tcp . ${hostPort} .*is missing`));
  expect(found.stdout).toContain(`namespace ${netns}\tbelongs to no pod\tfound`);

  expect(await gantry(place, 'net', 'check', '--fix')).not.toContain('not fixed');
  expect(await gantry(place, 'net', 'check')).toBe('the network is as it should be');
  expect(existsSync(`/sys/class/net/${stray}`)).toBe(false);
  expect(readFileSync('/proc/self/mountinfo').toString()).not.toContain(netns);
  // The pod that runs has not noticed.
  const [view] = JSON.parse(await gantry(place, 'net', '--json', pod.id));
  expect(view.ports[0].connections).toBe(0);
  rmSync(dirname(netns), { recursive: true });
  await cri.stopPodSandbox({ podSandboxId: pod.id });
});

test('gantry net check --fix puts the link of a pod back on its bridge', async ({ daemon }) => {
  const { place } = daemon;
  const pod = await runPod(daemon);
  execFileSync('ip', ['link', 'set', await linkOf(pod.id, place), 'nomaster']);
  const fixed = await gantryOutcome(place, 'net', 'check', '--fix');
  expect(fixed.stdout).toMatch(/link gantry\w+ of pod default\/\S+\tis not on \S+\tfixed/);
  const [view] = JSON.parse(await gantry(place, 'net', '--json', pod.id));
  expect(view.network.interfaces[0].bridge).toBe(place.bridge);
});

test('gantry net down is refused while pods are on the network, and leaves nothing', async () => {
  await using daemon = await startDaemon();
  const { place, cri } = daemon;
  const pod = await runPod(daemon);
  const refused = await gantryOutcome(place, 'net', 'down');
  expect(refused).toMatchObject({ exitCode: 1 });
  expect(refused.stderr).toContain('take the network down: 1 pod is on it');
  await cri.stopPodSandbox({ podSandboxId: pod.id });
  await gantry(place, 'net', 'down');
  await eventually('the bridge is gone', () => !existsSync(`/sys/class/net/${place.bridge}`));
  await runPod(daemon);
  expect(existsSync(`/sys/class/net/${place.bridge}`)).toBe(true);
});

/** The host's end of a pod's cable. */
async function linkOf(id: string, place: { readonly adminSocket: string }): Promise<string> {
  const [view] = JSON.parse(await gantry(place, 'net', '--json', id));
  return view.network.interfaces[0].peer;
}
