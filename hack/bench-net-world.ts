/** Network namespaces of the benchmark's own: nothing of the machine's network is touched. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, setns, unshare } from '#linux/libc.ts';
import { mountPointsUnder, unmount } from '#linux/mount.ts';
import { createNamespaces, removeNamespace } from '#linux/namespace.ts';
import { closeHomeNamespaces, namespaceFlags, openHomeNamespaces } from '#linux/namespace-home.ts';
import { openSystemThread, type SystemThread } from '#linux/system-thread.ts';
import { createLog } from '#log/log.ts';
import { openPodNetwork, type PodNetwork } from '#network/pod-network.ts';
import { openDatabase } from '#store/database.ts';

const stream = fileURLToPath(new URL('./bench-net-stream.ts', import.meta.url));

/** A host with a pod network. The calling thread, and with it what it starts, is inside until the end. */
export type NetWorld = AsyncDisposable & {
  readonly network: PodNetwork;
  /** Makes a network namespace for a pod. */
  readonly makeNetns: (id: string) => Promise<string>;
  readonly dropNetns: (id: string) => Promise<void>;
  /** Where its network namespace is. */
  readonly netnsOf: (id: string) => string;
};

export async function openNetWorld(subnets: readonly string[]): Promise<NetWorld> {
  await using opened = new AsyncDisposableStack();
  const home = opened.adopt(openHomeNamespaces(), closeHomeNamespaces);
  check(unshare(namespaceFlags.net), 'unshare', 'net');
  opened.defer(() => void check(setns(home.net, namespaceFlags.net), 'setns', 'net'));
  const folder = opened.adopt(mkdtempSync(join(tmpdir(), 'gantry-bench-net-')), (path) => {
    for (const point of mountPointsUnder(path)) unmount(point);
    rmSync(path, { recursive: true });
  });
  const thread = opened.adopt(openSystemThread(), (it) => it.close());
  const database = opened.adopt(openDatabase(join(folder, 'state.db')), (it) => it.close());
  const log = createLog('warn');
  const config = { bridge: 'pods0', subnets };
  const network = await openPodNetwork({
    config,
    database,
    thread,
    log,
    nft: () => '/usr/sbin/nft',
  });
  opened.defer(() => network.close());
  const running = opened.move();
  return {
    network,
    ...namespacesIn(folder, thread),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function namespacesIn(folder: string, thread: SystemThread) {
  const netnsOf = (id: string): string => join(folder, id);
  return {
    netnsOf,
    makeNetns: async (id: string) => {
      await createNamespaces(thread, { net: netnsOf(id) });
      return netnsOf(id);
    },
    dropNetns: (id: string) => removeNamespace(thread, netnsOf(id)),
  };
}

/** Two namespaces on a bridge, as one makes them by hand. They are `one` and `two` of 10.99.0.0/24. */
export function wireByHand(host: string, one: string, two: string): void {
  const inHost = (...words: string[]) => inside(host, 'ip', ...words);
  inHost('link', 'add', 'hand0', 'type', 'bridge');
  inHost('address', 'add', '10.99.0.1/24', 'dev', 'hand0');
  inHost('link', 'set', 'hand0', 'up');
  for (const [at, netns] of [one, two].entries()) {
    const [port, end] = [`hand-p${at}`, `hand-e${at}`];
    inHost('link', 'add', port, 'type', 'veth', 'peer', 'name', end);
    inHost('link', 'set', port, 'master', 'hand0', 'up');
    // Names of namespaces are for /run/netns; a descriptor of ours serves as well.
    execFileSync('sh', [
      '-c',
      `exec nsenter --net=${host} ip link set ${end} netns /proc/self/fd/3 3<${netns}`,
    ]);
    inside(netns, 'ip', 'link', 'set', end, 'name', 'eth0');
    inside(netns, 'ip', 'address', 'add', `10.99.0.${at + 2}/24`, 'dev', 'eth0');
    inside(netns, 'ip', 'link', 'set', 'eth0', 'up');
    inside(netns, 'ip', 'route', 'add', 'default', 'via', '10.99.0.1');
  }
}

/** The one rule that lets the pods of such a bridge reach the world. */
export function masqueradeByHand(host: string): void {
  const chain = 'type nat hook postrouting priority 100;';
  const rule = 'ip saddr 10.99.0.0/24 ip daddr != 10.99.0.0/24 masquerade';
  const input = `table ip hand { chain out { ${chain}\n${rule}\n}\n}\n`;
  execFileSync('nsenter', [`--net=${host}`, 'nft', '-f', '-'], { input });
}

/** What a stream took: its time, and the processors' at both of its ends. */
export type Stream = { readonly ms: number; readonly cpuMs: number };

/** Sends so many bytes from one namespace to another. */
export async function streamBytes(
  from: string,
  to: { readonly netns: string; readonly address: string },
  bytes: number,
): Promise<Stream> {
  const receiver = startEnd(to.netns, 'receive', '5000');
  await receiver.begun;
  const sender = startEnd(from, 'send', to.address, '5000', `${bytes}`);
  const [[ms = 0, receiving = 0], [, sending = 0]] = [await receiver.said, await sender.said];
  return { ms, cpuMs: receiving + sending };
}

function startEnd(netns: string, ...args: readonly string[]) {
  const command = [`--net=${netns}`, process.execPath, stream, ...args];
  const child = spawn('nsenter', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  const lastLine = () => text.trimEnd().split('\n').at(-1) ?? '';
  return {
    begun: once(child.stdout, 'data'),
    said: once(child, 'close').then(() => lastLine().split(' ').map(Number)),
  };
}

function inside(netns: string, command: string, ...args: readonly string[]): void {
  execFileSync('nsenter', [`--net=${netns}`, command, ...args]);
}
