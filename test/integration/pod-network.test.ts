import { status } from '@grpc/grpc-js';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { createServer } from 'node:net';
import { describe, expect } from 'vitest';
import { NamespaceMode, Protocol } from '#api/cri/v1/types.ts';
import { startDaemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
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

const hostNetwork = {
  linux: {
    securityContext: {
      namespaceOptions: { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER },
    },
  },
};

/** The address of the node on the bridge of a daemon: the first one of its subnet. */
const gateway = (subnet: string) => subnet.replace('.0/24', '.1');

describe('the network of a pod', () => {
  test('has an address of the subnet, and the status tells it', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const pod = await runPod(daemon);
    const ip = (await podStatus(cri, pod.id)).network?.ip ?? '';
    expect(ip.split('.').slice(0, 3)).toEqual(place.subnet.split('.').slice(0, 3));

    const { stdout } = await runToEnd(
      cri,
      pod,
      containerConfig(busybox, { command: ['/bin/ip', '-4', '-o', 'address', 'show', 'eth0'] }),
    );
    expect(stdout).toContain(` ${ip}/24 `);
  });

  test('lets pods ping each other, and no two have one address', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pods = await Promise.all([runPod(daemon), runPod(daemon), runPod(daemon)]);
    const ips = await Promise.all(
      pods.map(async ({ id }) => (await podStatus(cri, id)).network?.ip ?? ''),
    );
    expect(new Set(ips).size).toBe(3);
    const [from] = pods;
    if (from === undefined) throw new Error('three pods were made');
    const command = sh(ips.map((ip) => `ping -c1 -W2 ${ip}`).join(' && '));
    const { status: end, stdout } = await runToEnd(
      cri,
      from,
      containerConfig(busybox, { command }),
    );
    expect(stdout).toContain(`from ${ips[2]}`);
    expect(end.exitCode).toBe(0);
  });

  test('reaches the node, and the node reaches it', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const pod = await runPod(daemon);
    const server = createServer((socket) => socket.end('from the node'));
    server.listen(0, gateway(place.subnet));
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP address');
    try {
      const command = ['/bin/nc', address.address, `${address.port}`];
      const { stdout } = await runToEnd(cri, pod, containerConfig(busybox, { command }));
      expect(stdout).toBe('from the node');
    } finally {
      server.close();
    }

    await runContainer(cri, pod, containerConfig(busybox, webServer('from the pod')));
    const ip = (await podStatus(cri, pod.id)).network?.ip ?? '';
    expect(await fetchEventually(`http://${ip}:8080`)).toBe('from the pod');
  });

  test('has the ports of the node that its port mappings ask for', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const hostPort = 30_000 + (process.pid % 2000);
    const pod = await runPod(daemon, {
      portMappings: [{ protocol: Protocol.TCP, containerPort: 8080, hostPort }],
    });
    await runContainer(cri, pod, containerConfig(busybox, webServer('mapped')));
    const url = `http://${gateway(place.subnet)}:${hostPort}`;
    expect(await fetchEventually(url)).toBe('mapped');

    await cri.stopPodSandbox({ podSandboxId: pod.id });
    await expect(fetch(url)).rejects.toThrow();
  });

  test('is shared by the containers of the pod', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    await runContainer(cri, pod, containerConfig(busybox, webServer('a neighbour')));
    const client = await runContainer(cri, pod, containerConfig(busybox, forever));
    const answer = await eventually('the neighbour answers', async () => {
      const { stdout } = await exec(cri, client, 'wget -qO- http://127.0.0.1:8080');
      return stdout !== '' && stdout;
    });
    expect(answer).toBe('a neighbour');
  });

  test('is the one of the node when the pod asks for it', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const pod = await runPod(daemon, { ...hostNetwork, hostname: '' });
    const { network, linux } = await podStatus(cri, pod.id);
    expect(network?.ip ?? '').toBe('');
    expect(linux?.namespaces?.options?.network).toBe(NamespaceMode.NODE);

    const other = await runPod(daemon);
    const command = sh('hostname; cat /proc/net/dev');
    const config = containerConfig(busybox, {
      command,
      linux: { securityContext: hostNetwork.linux.securityContext },
    });
    const { stdout } = await runToEnd(cri, pod, config);
    expect(stdout.split('\n')[0]).toBe(hostname());
    expect(stdout).toContain(`${place.bridge}:`);
    await cri.stopPodSandbox({ podSandboxId: other.id });
  });

  test('gives its address back when the pod stops', async () => {
    // Six addresses, of which the bridge has one.
    await using daemon = await startDaemon({ prefixLength: 29 });
    const pods = [];
    for (let count = 0; count < 5; count++) pods.push(await runPod(daemon));
    await expect(runPod(daemon)).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringContaining(daemon.place.subnet),
    });

    const [first] = pods;
    if (first === undefined) throw new Error('five pods were made');
    const ip = (await podStatus(daemon.cri, first.id)).network?.ip;
    await daemon.cri.stopPodSandbox({ podSandboxId: first.id });
    const next = await runPod(daemon);
    expect((await podStatus(daemon.cri, next.id)).network?.ip).toBe(ip);
  });
});

/** A web server on port 8080 that answers `/` with `text`. */
function webServer(text: string) {
  return shell(`mkdir /www; printf '${text}' >/www/index.html; httpd -f -p 8080 -h /www & wait`);
}

async function fetchEventually(url: string): Promise<string> {
  return eventually(`${url} answers`, async () => {
    const response = await fetch(url).catch(() => undefined);
    return response?.text();
  });
}
