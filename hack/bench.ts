/** Measures gantryd against the bare work, and against other CRI runtimes that are running here. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectCri, type Cri } from '#harness/client.ts';
import { startDaemon, type Daemon } from '#harness/daemon.ts';
import { buildImage, busyboxLayer } from '#harness/image.ts';
import { untilInterrupted } from '#harness/interruption.ts';
import { processes } from '#harness/leftovers.ts';
import { containerConfig, forever, podConfig, runContainer, runPod } from '#harness/pods.ts';
import { push, startRegistry } from '#harness/registry.ts';
import { prepareBarePods } from './bench-bare.ts';
import { median } from './bench-median.ts';
import { cpuMs, memoryKib } from './bench-usage.ts';

const usage = `Usage: hack/bench [--rounds N] [--pods N] [--json] [--peer NAME=SOCKET]...
       hack/bench images [--help]

  --rounds N          repetitions of each measurement (30)
  --pods N            pods that run while memory is measured (30)
  --peer NAME=SOCKET  measures another CRI runtime as well: containerd=/run/containerd/containerd.sock
  --json              prints one JSON object instead of a table`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    pods: { type: 'string', default: '30' },
    peer: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const interrupted = untilInterrupted();

/** The first repetitions warm caches and the compiler up, and are not counted. */
const warmUpRounds = 5;
const idleMs = 10_000;

/** One way to do a thing: returns what undoes it, outside of the measured time. */
type Contender = () => Promise<() => Promise<unknown>>;
type Medians = Readonly<Record<string, number>>;

/** Runs the contenders in alternation, so that a noisy moment hits all of them; medians in ms. */
async function alternate(contenders: Readonly<Record<string, Contender>>): Promise<Medians> {
  const times = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
  for (let round = -warmUpRounds; round < Number(options.rounds); round++) {
    for (const [name, contender] of Object.entries(contenders)) {
      interrupted.throwIfAborted();
      const start = performance.now();
      const undo = await contender();
      if (round >= 0) times.get(name)?.push(performance.now() - start);
      await undo();
    }
  }
  return Object.fromEntries([...times].map(([name, values]) => [name, median(values)]));
}

/** RunPodSandbox, CreateContainer and StartContainer, one after the other. */
function podOf(cri: Cri, place: Daemon['place'], image: string): Contender {
  return async () => {
    const config = podConfig({ place });
    const { podSandboxId } = await cri.runPodSandbox({ config });
    await runContainer(cri, { id: podSandboxId, config }, containerConfig(image, forever));
    return async () => {
      await cri.stopPodSandbox({ podSandboxId });
      await cri.removePodSandbox({ podSandboxId });
    };
  };
}

function execOf(cri: Cri, containerId: string): Contender {
  return async () => {
    const { stdout } = await cri.execSync({ containerId, cmd: ['/bin/echo', 'hello'] });
    if (stdout.toString() !== 'hello\n') throw new Error(`exec said ${stdout.toString()}`);
    return async () => {};
  };
}

function bareExecOf({ place }: Daemon, containerId: string): Contender {
  const root = join(place.state, 'oci', 'crun');
  return async () => {
    const child = execFile('crun', ['--root', root, 'exec', containerId, '/bin/echo', 'hello']);
    const [exitCode] = await once(child, 'close');
    if (exitCode !== 0) throw new Error(`crun exec: exit status ${exitCode}`);
    return async () => {};
  };
}

type Peer = { readonly name: string; readonly cri: Cri };

async function connectPeers(resources: AsyncDisposableStack, image: string): Promise<Peer[]> {
  const peers = options.peer.map((peer) => {
    const [name = '', socket = ''] = peer.split('=');
    return { name, cri: resources.use(connectCri(socket)) };
  });
  for (const { cri } of peers) await cri.pullImage({ image: { image } });
  return peers;
}

async function measurePods(daemon: Daemon, image: string, peers: readonly Peer[]) {
  const pod = await runPod(daemon);
  const template = await runContainer(daemon.cri, pod, containerConfig(image, forever));
  const bundle = join(daemon.place.state, 'containers', template, 'config.json');
  await using bare = await prepareBarePods(bundle);
  const rivals = peers.map(({ name, cri }) => [name, podOf(cri, daemon.place, image)] as const);
  return await alternate({
    gantry: podOf(daemon.cri, daemon.place, image),
    bare: bare.run,
    ...Object.fromEntries(rivals),
  });
}

async function measureExec(daemon: Daemon, image: string, peers: readonly Peer[]) {
  const resident = async (cri: Cri) => {
    const config = podConfig(daemon);
    const { podSandboxId } = await cri.runPodSandbox({ config });
    const pod = { id: podSandboxId, config };
    return { podSandboxId, id: await runContainer(cri, pod, containerConfig(image, forever)) };
  };
  const own = await resident(daemon.cri);
  const rivals: Record<string, Contender> = {};
  await using residents = new AsyncDisposableStack();
  for (const { name, cri } of peers) {
    const { podSandboxId, id } = await resident(cri);
    residents.defer(async () => void (await cri.removePodSandbox({ podSandboxId })));
    residents.defer(async () => void (await cri.stopPodSandbox({ podSandboxId })));
    rivals[name] = execOf(cri, id);
  }
  return await alternate({
    gantry: execOf(daemon.cri, own.id),
    bare: bareExecOf(daemon, own.id),
    ...rivals,
  });
}

/** Of the daemon alone: memory in KiB, and the share of one processor that it takes idle, in percent. */
async function measureIdle({ pid }: Daemon) {
  const before = cpuMs(pid);
  // Nothing to wait for: being idle for a while is what is measured.
  await delay(idleMs, undefined, { signal: interrupted });
  return { ...memoryKib(pid), cpuPercent: ((cpuMs(pid) - before) / idleMs) * 100 };
}

async function measureUsage(image: string) {
  await using daemon = await startDaemon();
  const fresh = await measureIdle(daemon);
  await daemon.cri.pullImage({ image: { image } });
  for (let count = 0; count < Number(options.pods); count++) {
    interrupted.throwIfAborted();
    await runContainer(daemon.cri, await runPod(daemon), containerConfig(image, forever));
  }
  const busy = await measureIdle(daemon);
  const monitors = processes(daemon.place).filter(({ command }) => command.includes('conmon'));
  const monitorPssKib = median(monitors.map(({ pid }) => memoryKib(pid).pss));
  return { fresh, withPods: busy, monitorPssKib };
}

async function measure() {
  await using resources = new AsyncDisposableStack();
  const registry = resources.use(await startRegistry());
  const image = await push(registry.host, buildImage([busyboxLayer()]), 'busybox');
  const peers = await connectPeers(resources, image);
  const usageNow = await measureUsage(image);
  const daemon = resources.use(await startDaemon());
  await daemon.cri.pullImage({ image: { image } });
  const podMs = await measurePods(daemon, image, peers);
  const execMs = await measureExec(daemon, image, peers);
  return { podMs, execMs, usage: usageNow };
}

type Measured = Awaited<ReturnType<typeof measure>>;

function medianRow(what: string, medians: Medians): string[] {
  const { gantry = Number.NaN } = medians;
  const others = Object.entries(medians).filter(([name]) => name !== 'gantry');
  return [
    what,
    `${gantry.toFixed(1)} ms`,
    ...others.map(([, value]) => `${value.toFixed(1)} ms (${(gantry / value).toFixed(2)}x)`),
  ];
}

function idleRow(when: string, { rss, pss, cpuPercent }: Measured['usage']['fresh']): string[] {
  return [when, mib(rss), mib(pss), `${cpuPercent.toFixed(2)} %`];
}

function mib(kib: number): string {
  return `${(kib / 1024).toFixed(1)} MiB`;
}

function printTable(rows: readonly (readonly string[])[]): void {
  for (const row of rows)
    console.log(
      row
        .map((cell) => cell.padEnd(24))
        .join('')
        .trimEnd(),
    );
  console.log();
}

function print({ podMs, execMs, usage: { fresh, withPods, monitorPssKib } }: Measured): void {
  printTable([
    ['median', ...Object.keys(podMs)],
    medianRow('pod with one container', podMs),
    medianRow('ExecSync echo', execMs),
  ]);
  printTable([
    ['gantryd', 'RSS', 'PSS', 'idle CPU'],
    idleRow('after start', fresh),
    idleRow(`with ${options.pods} pods`, withPods),
  ]);
  console.log(`each conmon: ${mib(monitorPssKib)} PSS`);
}

if (options.help) {
  console.log(usage);
} else {
  const measured = await measure();
  if (options.json) console.log(JSON.stringify(measured, undefined, 2));
  else print(measured);
}
