import { status } from '@grpc/grpc-js';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { NamespaceMode, PodSandboxState, Protocol } from '#api/cri/v1/types.ts';
import { type Daemon, startDaemon } from './harness/daemon.ts';
import { gantry, gantryOutcome, skopeo } from './harness/gantry.ts';
import { sweep } from './harness/leftovers.ts';
import { makeNetns, type Netns, outwardAddress } from './harness/netns.ts';
import {
  containerConfig,
  exec,
  forever,
  podStatus,
  runContainer,
  runPod,
  runToEnd,
  shell,
  sh,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

// The daemon's node is a network namespace of the test's own: what the plugins do to the firewall is
// done there, and is gone with it.

let node: Netns;
let daemon: Daemon;
const busybox = inject('busybox');

beforeAll(async () => {
  node = await makeNetns();
  daemon = await startDaemon({ netns: node.name, cniConfig: 'timeout_seconds = 5' });
  // No registry can be reached from inside.
  const archive = join(daemon.place.directory, 'busybox.tar');
  await skopeo(
    'copy',
    '--src-tls-verify=false',
    `docker://${busybox}`,
    `oci-archive:${archive}:${busybox}`,
  );
  await gantry(daemon.place, 'images', 'import', archive);
});

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await node[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await mkdir(daemon.place.cniConfDir, { recursive: true });
  await mkdir(daemon.place.cniPlugins, { recursive: true });
});

afterEach(async () => {
  await rm(daemon.place.cniPlugins, { recursive: true });
  await daemon.removeAllPods();
  expect(await daemon.leaks()).toEqual([]);
  expect(await results()).toEqual([]);
  await rm(daemon.place.cniConfDir, { recursive: true });
});

const bridge = {
  type: 'bridge',
  bridge: 'cni0',
  isGateway: true,
  ipMasq: true,
  hairpinMode: true,
  ipam: ipam(),
};

function ipam(): object {
  return {
    type: 'host-local',
    ranges: [[{ subnet: '198.18.7.0/24' }], [{ subnet: 'fd00:7::/64' }]],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  };
}

async function configure(network: object, file = '10-test.conflist'): Promise<void> {
  const text = JSON.stringify({ cniVersion: '1.0.0', name: 'test', ...network });
  await writeFile(join(daemon.place.cniConfDir, file), withLeasesIn(daemon, text));
}

/** host-local keeps its leases in a folder of the node. */
function withLeasesIn({ place }: Daemon, text: string): string {
  return text.replaceAll('"type":"host-local"', `"type":"host-local","dataDir":"${leases(place)}"`);
}

function leases({ directory }: Daemon['place']): string {
  return join(directory, 'leases');
}

/** The addresses that host-local counts as taken. */
async function leased(): Promise<string[]> {
  const names = await readdir(join(leases(daemon.place), 'test'));
  return names.filter((name) => /^[\da-f]+[.:]/.test(name));
}

async function results(): Promise<string[]> {
  return readdir(join(daemon.place.root, 'cni', 'results'));
}

async function textOf(path: string): Promise<string> {
  return existsSync(path) ? readFile(path, 'utf8') : '';
}

/** What a process runs; empty for one that has ended, whether or not somebody has waited for it. */
async function commandOf(pid: string): Promise<string> {
  return textOf(`/proc/${pid.trim()}/cmdline`);
}

/** A plugin of ours: a script that is run with the variables of CNI. */
async function script(type: string, text: string): Promise<void> {
  const path = join(daemon.place.cniPlugins, type);
  const version = '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}';
  await writeFile(
    `${path}.new`,
    `#!/bin/sh\ninput=$(cat)\n[ $CNI_COMMAND != VERSION ] || { echo '${version}'; exit; }\n${text}\n`,
  );
  await chmod(`${path}.new`, 0o755);
  await rename(`${path}.new`, path);
}

/** For the shell: a plugin at the end of a chain answers with the result of the one before. */
const passOn = `[ $CNI_COMMAND != ADD ] || echo "$input" | sed 's/.*"prevResult"://; s/}$//'`;

async function networkReady(): Promise<{ ready: boolean; message: string }> {
  const { status: is } = await daemon.cri.status({});
  const found = is?.conditions.find(({ type }) => type === 'NetworkReady');
  return { ready: found?.status ?? false, message: found?.message ?? '' };
}

async function addressesOf(podId: string): Promise<string[]> {
  const { network } = await podStatus(daemon.cri, podId);
  return [network?.ip ?? '', ...(network?.additionalIps ?? []).map(({ ip }) => ip)];
}

/** A web server on port 8080 that answers `/` with `text`. */
function webServer(text: string) {
  return shell(`mkdir /www; printf '${text}' >/www/index.html; httpd -f -p 8080 -h /www & wait`);
}

const fetchScript = `fetch(process.argv[1], { signal: AbortSignal.timeout(2000) })
  .then((answer) => answer.text()).then((text) => process.stdout.write(text))`;

/** What the node gets from a URL. */
async function fetchFromNode(url: string): Promise<string> {
  return eventually(`${url} answers`, async () =>
    node.run(process.execPath, '-e', fetchScript, url).catch(() => undefined),
  );
}

describe("with Debian's plugins", () => {
  test('pods have the addresses that the plugins give, of both families, and reach each other', async () => {
    await configure({ plugins: [bridge] });
    const { cri } = daemon;
    const [one, other] = await Promise.all([runPod(daemon), runPod(daemon)]);
    const [ipv4, ipv6] = await addressesOf(one.id);
    expect(ipv4).toMatch(/^198\.18\.7\.\d+$/);
    expect(ipv6).toMatch(/^fd00:7::/);
    expect((await leased()).length).toBe(4);

    const listing = containerConfig(busybox, { command: sh('ip -o address; ip route') });
    const { stdout } = await runToEnd(cri, one, listing);
    expect(stdout).toContain(` ${ipv4}/24 `);
    expect(stdout).toContain(` ${ipv6}/64 `);
    expect(stdout).toContain('inet 127.0.0.1/8');
    expect(stdout).toContain('default via 198.18.7.1 dev eth0');
    const ping = containerConfig(busybox, { command: ['/bin/ping', '-c1', '-W5', `${ipv4}`] });
    expect((await runToEnd(cri, other, ping)).status.exitCode).toBe(0);

    await cri.stopPodSandbox({ podSandboxId: one.id });
    expect((await leased()).length).toBe(2);
    // With no namespace left behind, nothing of the pod is on the node.
    await cri.removePodSandbox({ podSandboxId: other.id });
    expect(await leased()).toEqual([]);
    await eventually('the cables are gone', async () => {
      return !(await node.run('ip', '-o', 'link')).includes('master cni0');
    });
  });

  test('chains work: host ports, firewall, bandwidth and tuning', async () => {
    await configure({
      plugins: [
        bridge,
        { type: 'portmap', capabilities: { portMappings: true }, snat: true },
        { type: 'firewall', backend: 'iptables' },
        { type: 'bandwidth', capabilities: { bandwidth: true } },
        { type: 'tuning', capabilities: { mac: true }, sysctl: { 'net.core.somaxconn': '77' } },
        { type: 'loopback' },
      ],
    });
    const { cri } = daemon;
    const mac = 'c2:b0:57:49:47:f1';
    const pod = await runPod(daemon, {
      portMappings: [{ protocol: Protocol.TCP, containerPort: 8080, hostPort: 18_080 }],
      annotations: {
        'kubernetes.io/ingress-bandwidth': '10M',
        'kubernetes.io/egress-bandwidth': '20M',
        'v1.multus-cni.io/default-network': JSON.stringify([{ name: 'test', mac }]),
      },
    });
    const [ip] = await addressesOf(pod.id);
    await runContainer(cri, pod, containerConfig(busybox, webServer('mapped')));
    expect(await fetchFromNode(`http://${outwardAddress}:18080`)).toBe('mapped');

    const look = await runContainer(cri, pod, containerConfig(busybox, forever));
    const seen = await exec(cri, look, 'ip link show eth0; cat /proc/sys/net/core/somaxconn');
    expect(seen.stdout).toContain(`link/ether ${mac}`);
    expect(seen.stdout).toContain('\n77\n');
    const shaping = await node.run('tc', 'qdisc', 'show');
    expect(shaping).toMatch(/qdisc tbf .* rate 10Mbit burst 256Kb/);
    expect(shaping).toMatch(/qdisc tbf .* rate 20Mbit burst 256Kb/);
    const rules = await node.run('iptables-save');
    expect(rules).toContain(`--to-destination ${ip}:8080`);
    expect(rules).toMatch(new RegExp(`-A CNI-FORWARD -s ${ip}/32 .*-j ACCEPT`));

    await cri.stopPodSandbox({ podSandboxId: pod.id });
    expect(await node.run('iptables-save')).not.toContain(`${ip}`);
    expect(await node.run('tc', 'qdisc', 'show')).not.toContain('tbf');
  });

  test('a pod gets the address that it asks for', async () => {
    await configure({ plugins: [{ ...bridge, capabilities: { ips: true } }] });
    const ips = ['198.18.7.77', 'fd00:7::77'];
    const annotation = JSON.stringify([{ name: 'test', ips }]);
    const pod = await runPod(daemon, {
      annotations: { 'v1.multus-cni.io/default-network': annotation },
    });
    expect(await addressesOf(pod.id)).toEqual(ips);
    await expect(
      runPod(daemon, { annotations: { 'v1.multus-cni.io/default-network': annotation } }),
    ).rejects.toMatchObject({
      details: expect.stringMatching(
        /CNI network "test": run CNI plugin "bridge" \(ADD\): .*198\.18\.7\.77/,
      ),
    });
  });

  test('pods with users of their own are connected as others are', async () => {
    await configure({ plugins: [bridge] });
    const mapping = { hostId: 200_000, containerId: 0, length: 65_536 };
    const usernsOptions = { mode: NamespaceMode.POD, uids: [mapping], gids: [mapping] };
    const namespaceOptions = { pid: NamespaceMode.CONTAINER, usernsOptions };
    const linux = { securityContext: { namespaceOptions } };
    const pod = await runPod(daemon, { linux });
    const [ip] = await addressesOf(pod.id);
    const command = sh('ip -o address');
    const config = containerConfig(busybox, { command, linux });
    expect((await runToEnd(daemon.cri, pod, config)).stdout).toContain(` ${ip}/24 `);
  });

  test('the newest version that all of them speak is spoken, and shown', async () => {
    await configure({ cniVersion: '1.1.0', cniVersions: ['0.4.0', '1.0.0'], plugins: [bridge] });
    const pod = await runPod(daemon);
    const { info } = await daemon.cri.podSandboxStatus({ podSandboxId: pod.id, verbose: true });
    expect(JSON.parse(info['network'] ?? '')).toMatchObject({
      network: 'cni',
      cniVersion: '1.0.0',
      config: { name: 'test', plugins: [{ type: 'bridge' }] },
      result: { cniVersion: '1.0.0', ips: [{ gateway: '198.18.7.1' }, {}] },
      isDelOwed: false,
    });
    const { info: whole } = await daemon.cri.status({ verbose: true });
    expect(JSON.parse(whole['network'] ?? '')).toMatchObject({
      network: 'cni',
      file: join(daemon.place.cniConfDir, '10-test.conflist'),
      config: { name: 'test' },
    });
  });

  test('a version that they do not speak is named, before a pod comes', async () => {
    await configure({ cniVersion: '1.1.0', plugins: [bridge] });
    const words = 'network "test" is written for 1.1.0; "bridge" speaks 0.1.0, ';
    await expect.poll(networkReady).toMatchObject({
      ready: false,
      message: expect.stringContaining(words),
    });
    await expect(runPod(daemon)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining(words),
    });
  });
});

describe('the configuration', () => {
  test('is followed as it comes, changes, breaks and goes; pods stay where they are', async () => {
    const { cri, place } = daemon;
    const onBridge = await runPod(daemon);
    expect((await addressesOf(onBridge.id))[0]).toMatch(/^10\.213\./);

    await configure({ plugins: [bridge] });
    const onCni = await runPod(daemon);
    expect((await addressesOf(onCni.id))[0]).toMatch(/^198\.18\.7\./);

    await writeFile(join(place.cniConfDir, '05-broken.conf'), '{"name": "half"');
    expect(await networkReady()).toEqual({
      ready: false,
      message: `use CNI configuration "${place.cniConfDir}/05-broken.conf": it is no JSON object`,
    });
    await expect(runPod(daemon)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining('05-broken.conf": it is no JSON object'),
    });

    // As some network providers do it: another folder takes the place of this one.
    await rename(place.cniConfDir, `${place.cniConfDir}.old`);
    await mkdir(place.cniConfDir);
    const other = {
      ...bridge,
      bridge: 'cni1',
      ipam: { type: 'host-local', subnet: '198.18.8.0/24' },
    };
    await configure({ name: 'other', plugins: [other] });
    const onOther = await runPod(daemon);
    expect((await addressesOf(onOther.id))[0]).toMatch(/^198\.18\.8\./);
    expect(await networkReady()).toEqual({ ready: true, message: '' });

    await rm(join(place.cniConfDir, '10-test.conflist'));
    await rm(`${place.cniConfDir}.old`, { recursive: true });
    const back = await runPod(daemon);
    expect((await addressesOf(back.id))[0]).toMatch(/^10\.213\./);
    for (const { id } of [onBridge, onCni, onOther, back]) {
      await cri.stopPodSandbox({ podSandboxId: id });
    }
    expect(await leased()).toEqual([]);
  });
});

describe('a plugin that fails', () => {
  const twoPlugins = { plugins: [bridge, { type: 'last' }] };

  test('on ADD leaves nothing, and its words reach the user', async () => {
    await configure(twoPlugins);
    const json = '{"code":100,"msg":"no luck","details":"at all"}';
    await script('last', `[ $CNI_COMMAND != ADD ] || { echo '${json}'; exit 1; }`);
    await expect(runPod(daemon)).rejects.toMatchObject({
      details: expect.stringMatching(
        /run CNI plugin "last" \(ADD\): no luck: at all \(code 100\)$/,
      ),
    });
    expect(await leased()).toEqual([]);
    expect((await daemon.cri.listPodSandbox({})).items).toEqual([]);
  });

  test('on DEL keeps the pod; the background makes an end of it', async () => {
    const { cri } = daemon;
    await configure(twoPlugins);
    await script('last', `[ $CNI_COMMAND != DEL ] || { echo not now >&2; exit 3; }; ${passOn}`);
    const pod = await runPod(daemon);
    await expect(cri.stopPodSandbox({ podSandboxId: pod.id })).rejects.toMatchObject({
      details: expect.stringContaining('run CNI plugin "last" (DEL): exit status 3: not now'),
    });
    expect((await podStatus(cri, pod.id)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
    await expect(cri.removePodSandbox({ podSandboxId: pod.id })).rejects.toThrow('not now');
    expect(await results()).toHaveLength(1);
    const check = await gantryOutcome(daemon.place, 'net', 'check');
    expect(check.stdout).toContain(`CNI attachment of pod ${pod.id.slice(0, 12)}`);
    expect(check.stdout).toContain('is owed a DEL');

    await script('last', passOn);
    await eventually(
      'nobody asks, and it is done',
      async () => (await results()).length === 0,
      30_000,
    );
    expect(await leased()).toEqual([]);
    await cri.removePodSandbox({ podSandboxId: pod.id });
  });

  test('by hanging is ended, and delays no other pod', async () => {
    const { cri } = daemon;
    await configure(twoPlugins);
    const children = join(daemon.place.directory, 'children');
    const hang = `case "$CNI_ARGS" in *K8S_POD_NAME=stuck*) sleep 1000 & echo $! >>${children}; wait;; esac`;
    await script('last', `[ $CNI_COMMAND != ADD ] || { ${hang}; }; ${passOn}`);
    const metadata = { name: 'stuck', namespace: 'default', uid: 'stuck', attempt: 0 };
    const stuck = runPod(daemon, { metadata }).then(
      () => undefined,
      (error: unknown) => error,
    );
    await eventually('it hangs', () => existsSync(children));
    const pods = await Promise.all([runPod(daemon), runPod(daemon), runPod(daemon)]);
    for (const { id } of pods) await cri.stopPodSandbox({ podSandboxId: id });
    expect(await stuck).toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringContaining('"last" (ADD): no answer within 5000 ms'),
    });
    const child = await textOf(children);
    await eventually('its child is gone', async () => (await commandOf(child)) === '');
  });

  test.each([
    ['echo rubbish', 'what it printed is no JSON object: rubbish'],
    ['echo "{}"', 'the result has no address for "eth0"'],
    [`echo '{"ips":[{"address":"300.0.0.1/8"}]}'`, '"300.0.0.1/8", which is no address for a pod'],
    ['yes', 'it writes more than 1048576 bytes'],
    ['true', 'it printed no result'],
  ])('by lying (%s) is found out', async (lie, words) => {
    await configure(twoPlugins);
    await script('last', `[ $CNI_COMMAND != ADD ] || exec ${lie}`);
    await expect(runPod(daemon)).rejects.toMatchObject({ details: expect.stringContaining(words) });
    expect(await leased()).toEqual([]);
  });
});

describe('NetworkReady', () => {
  test('is what STATUS says', async () => {
    await configure({ cniVersion: '1.1.0', plugins: [{ type: 'only' }] });
    const refusal = '{"code":50,"msg":"no route to the hub"}';
    await script('only', `[ $CNI_COMMAND != STATUS ] || { echo '${refusal}'; exit 1; }`);
    await expect.poll(networkReady).toEqual({
      ready: false,
      message: 'run CNI plugin "only" (STATUS): no route to the hub (code 50)',
    });
    await script('only', 'true');
    await expect.poll(networkReady, { timeout: 20_000 }).toEqual({ ready: true, message: '' });
  });

  test('names a plugin that is missing, and where it was looked for', async () => {
    await configure({ plugins: [{ type: 'missing' }] });
    const places = `${daemon.place.cniPlugins}, /usr/lib/cni`;
    await expect.poll(networkReady).toEqual({
      ready: false,
      message: `find CNI plugin "missing": it is in none of ${places}`,
    });
  });
});

for (const how of ['stop', 'kill'] as const) {
  describe(`after a ${how} of the daemon`, () => {
    test('pods keep their network, and their DEL uses what their ADD used', async () => {
      const { cri } = daemon;
      await configure({ plugins: [bridge] });
      const pod = await runPod(daemon);
      const before = await addressesOf(pod.id);
      await runContainer(cri, pod, containerConfig(busybox, webServer('still here')));
      await daemon[how]();
      await rm(join(daemon.place.cniConfDir, '10-test.conflist'));
      await daemon.start();
      expect(await addressesOf(pod.id)).toEqual(before);
      expect(await fetchFromNode(`http://${before[0]}:8080`)).toBe('still here');
      await cri.stopPodSandbox({ podSandboxId: pod.id });
      expect(await leased()).toEqual([]);
    });
  });
}

test.each(['stop', 'kill'] as const)(
  'a %s in the middle of ADD is undone at the next start',
  async (how) => {
    await configure({ plugins: [bridge, { type: 'last' }] });
    const begun = join(daemon.place.directory, `begun-${how}`);
    await script('last', `[ $CNI_COMMAND != ADD ] || { echo $$ >${begun}; exec sleep 1000; }`);
    const lost = runPod(daemon).catch(() => 'lost');
    await eventually('the second plugin runs', async () => (await textOf(begun)) !== '');
    expect((await leased()).length).toBe(2);
    await daemon[how]();
    expect(await lost).toBe('lost');
    await daemon.start();
    // It would go on making what is taken away now.
    expect(await commandOf(await textOf(begun))).toBe('');
    await eventually('it is undone', async () => (await leased()).length === 0);
    const { items } = await daemon.cri.listPodSandbox({});
    expect(items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY)).toEqual([]);
  },
);

test('a daemon killed at whatever moment leaves nothing behind', async () => {
  const { cri } = daemon;
  await configure({ plugins: [bridge, { type: 'portmap', capabilities: { portMappings: true } }] });
  for (const delayMs of [5, 20, 45, 80, 130, 200, 300]) {
    const old = await runPod(daemon);
    const requests = [
      cri.removePodSandbox({ podSandboxId: old.id }),
      ...Array.from({ length: 3 }, () => runPod(daemon)),
    ];
    const ended = Promise.allSettled(requests);
    await delay(delayMs);
    await daemon.kill();
    await ended;
    await daemon.start();
    await daemon.removeAllPods();
    await eventually('all is given back', async () => (await leased()).length === 0);
    expect(await results()).toEqual([]);
  }
  await eventually('the cables are gone', async () => {
    return !(await node.run('ip', '-o', 'link')).includes('master cni0');
  });
});

test('after a reboot what pods held is given back, though they have no namespace any more', async () => {
  const { cri, place } = daemon;
  await configure({ plugins: [bridge, { type: 'last' }] });
  const seen = join(place.directory, 'seen');
  await script('last', `[ $CNI_COMMAND = DEL ] && echo "netns=$CNI_NETNS" >>${seen}; ${passOn}`);
  const pods = await Promise.all(Array.from({ length: 10 }, () => runPod(daemon)));
  expect((await leased()).length).toBe(20);
  await daemon.kill();
  // What a reboot leaves is what is on disk.
  await sweep(place);
  await rm(place.state, { recursive: true });
  await daemon.start();
  await eventually('all is given back', async () => (await leased()).length === 0);
  expect(new Set((await textOf(seen)).trim().split('\n'))).toEqual(new Set(['netns=']));
  for (const { id } of pods) {
    expect((await podStatus(cri, id)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
    await cri.removePodSandbox({ podSandboxId: id });
  }
});

test('a daemon that starts while plugins hang serves nevertheless', async () => {
  const { cri } = daemon;
  await configure({ plugins: [bridge, { type: 'last' }] });
  await script('last', `[ $CNI_COMMAND != DEL ] || exit 1; ${passOn}`);
  const pod = await runPod(daemon);
  await expect(cri.stopPodSandbox({ podSandboxId: pod.id })).rejects.toThrow();
  await script('last', `case $CNI_COMMAND in DEL) exec sleep 1000;; esac`);
  await daemon.kill();
  await daemon.start();
  expect((await podStatus(cri, pod.id)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
  await script('last', 'true');
  await eventually(
    'the DEL that was owed is done',
    async () => (await leased()).length === 0,
    30_000,
  );
});

test('with network.use = "cni" pods wait for a configuration', async () => {
  await using waiting = await startDaemon({ netns: node.name, networkConfig: 'use = "cni"' });
  const words = 'there is no CNI configuration';
  const { status: is } = await waiting.cri.status({});
  const found = is?.conditions.find(({ type }) => type === 'NetworkReady');
  expect(found).toMatchObject({ status: false, message: expect.stringContaining(words) });
  await expect(runPod(waiting)).rejects.toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining(words),
  });
});
