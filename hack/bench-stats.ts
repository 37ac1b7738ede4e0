/** Measures what it costs to ask gantryd for statistics, metrics and lists on a full node. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { get } from 'node:http';
import { parseArgs } from 'node:util';
import grpc from '@grpc/grpc-js';
import { NamespaceMode } from '#api/cri/v1/types.ts';
import { type Daemon, startDaemon } from '#harness/daemon.ts';
import { buildImage, busyboxLayer } from '#harness/image.ts';
import { untilInterrupted } from '#harness/interruption.ts';
import { containerConfig, forever, runContainer, runPod, waitForExit } from '#harness/pods.ts';
import { push, startRegistry } from '#harness/registry.ts';
import { eventually } from '#harness/wait.ts';
import { median } from './bench-median.ts';
import { cpuMs, memoryKib } from './bench-usage.ts';

const usage = `Usage: hack/bench stats [--running N] [--exited N] [--rounds N] [--poll SECONDS] [--json]

  --running N       containers that run, each in a pod of its own (200)
  --exited N        containers that have exited (1000)
  --rounds N        repetitions of each call (30)
  --poll SECONDS    for how long kubelet's polling is imitated (60)
  --json            prints one JSON object instead of a table`;

const { values: options } = parseArgs({
  options: {
    running: { type: 'string', default: '200' },
    exited: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '30' },
    poll: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const interrupted = untilInterrupted();
const warmUpRounds = 5;
/** How often kubelet asks, without its feature for events. */
const pollEveryMs = 10_000;
const relistEveryMs = 1000;

/**
 * Calls an RPC with an empty request, and does not decode the answer: that takes this program longer
 * than the daemon takes to make it.
 */
function rawCaller(socket: string): Disposable & ((rpc: string) => Promise<Buffer>) {
  const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': 16 << 20,
  });
  const call = (rpc: string): Promise<Buffer> => {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const path = `/runtime.v1.RuntimeService/${rpc}`;
    client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), (error, answer) =>
      answer === undefined ? reject(error) : resolve(answer),
    );
    return promise;
  };
  return Object.assign(call, { [Symbol.dispose]: () => client.close() });
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

type Raw = ReturnType<typeof rawCaller>;
type Call = () => Promise<unknown>;
/**
 * Milliseconds. `late` is how late the daemon's event loop was at the worst meanwhile; `cpu` is the
 * processor time of the daemon for each call, which says more on a machine that others use, too.
 */
type Measured = Readonly<Record<'medianMs' | 'minMs' | 'cpuMs' | 'lateMs', number>>;

async function measure(call: Call, probe: LoopProbe): Promise<Measured> {
  const times: number[] = [];
  let cpuBefore = 0;
  for (let round = -warmUpRounds; round < Number(options.rounds); round++) {
    interrupted.throwIfAborted();
    if (round === 0) {
      await probe.worstMs();
      cpuBefore = cpuMs(probe.pid);
    }
    const start = performance.now();
    await call();
    if (round >= 0) times.push(performance.now() - start);
  }
  return {
    medianMs: median(times),
    minMs: Math.min(...times),
    cpuMs: (cpuMs(probe.pid) - cpuBefore) / times.length,
    lateMs: await probe.worstMs(),
  };
}

/** Tells how late the event loop of the daemon has been since it was asked last. */
type LoopProbe = { readonly pid: number; worstMs(): Promise<number> };

function loopProbe(pid: number, file: string): LoopProbe {
  return {
    pid,
    worstMs: async () => {
      rmSync(file, { force: true });
      process.kill(pid, 'SIGUSR2');
      await eventually('the daemon tells how late it was', () => existsSync(file));
      return JSON.parse(readFileSync(file, 'utf8')).max;
    },
  };
}

async function runMany(daemon: Daemon, image: string): Promise<void> {
  const count = Number(options.running);
  for (let made = 0; made < count; made += 1) {
    interrupted.throwIfAborted();
    const number = String(made).padStart(12, '0');
    const pod = await runPod(daemon, {
      // As kubelet has it: a cgroup for each pod.
      linux: {
        cgroupParent: `${daemon.place.cgroupParent}/pod7f1d7dd0-0a9c-4f5e-8c4f-${number}`,
        securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } },
      },
      metadata: {
        name: `web-5d4f8c7b9d-${number}`,
        namespace: 'production',
        uid: `7f1d7dd0-0a9c-4f5e-8c4f-${number}`,
        attempt: 0,
      },
      labels: {
        app: 'web',
        'app.kubernetes.io/name': 'web',
        'pod-template-hash': '5d4f8c7b9d',
        'io.kubernetes.pod.name': `web-5d4f8c7b9d-${number}`,
        'io.kubernetes.pod.namespace': 'production',
        'io.kubernetes.pod.uid': `7f1d7dd0-0a9c-4f5e-8c4f-${number}`,
      },
      annotations: { 'kubernetes.io/config.seen': '2026-11-20T21:00:00.000000000Z' },
    });
    await runContainer(daemon.cri, pod, containerConfig(image, { ...forever, ...asKubelet }));
  }
}

/** What kubelet puts on containers. */
const asKubelet = {
  labels: {
    'io.kubernetes.container.name': 'web',
    'io.kubernetes.pod.name': 'web-5d4f8c7b9d-00000',
    'io.kubernetes.pod.namespace': 'production',
    'io.kubernetes.pod.uid': '7f1d7dd0-0a9c-4f5e-8c4f-3b7d5f3c8a10',
  },
  annotations: {
    'io.kubernetes.container.hash': '5a0f3b1c',
    'io.kubernetes.container.restartCount': '0',
    'io.kubernetes.container.terminationMessagePath': '/dev/termination-log',
    'io.kubernetes.container.terminationMessagePolicy': 'File',
    'io.kubernetes.pod.terminationGracePeriod': '30',
  },
};

async function exitMany(daemon: Daemon, image: string): Promise<void> {
  const pod = await runPod(daemon);
  const count = Number(options.exited);
  for (let made = 0; made < count; made += 1) {
    interrupted.throwIfAborted();
    const config = containerConfig(image, { command: ['/bin/true'], ...asKubelet });
    const id = await runContainer(daemon.cri, pod, config);
    if (made === count - 1) await waitForExit(daemon.cri, id);
  }
}

/** As kubelet with statistics from the CRI, with both of its ways of knowing pods. */
async function pollAsKubelet({ pid }: Daemon, raw: Raw): Promise<{ readonly cpuPercent: number }> {
  const endAt = performance.now() + Number(options.poll) * 1000;
  const idleBefore = cpuMs(pid);
  const startedAt = performance.now();
  for (let tick = 0; performance.now() < endAt; tick += 1) {
    await relist(raw);
    if ((tick * relistEveryMs) % pollEveryMs === 0) await readStats(raw);
    const nextMs = startedAt + (tick + 1) * relistEveryMs - performance.now();
    // It is the pauses between the calls that make this polling.
    await delay(Math.max(nextMs, 0), undefined, { signal: interrupted });
  }
  return { cpuPercent: ((cpuMs(pid) - idleBefore) / (performance.now() - startedAt)) * 100 };
}

async function pollStatsOnly({ pid }: Daemon, raw: Raw): Promise<{ readonly cpuPercent: number }> {
  const before = cpuMs(pid);
  const startedAt = performance.now();
  for (let tick = 0; tick * pollEveryMs < Number(options.poll) * 1000; tick += 1) {
    await readStats(raw);
    const nextMs = startedAt + (tick + 1) * pollEveryMs - performance.now();
    await delay(Math.max(nextMs, 0), undefined, { signal: interrupted });
  }
  return { cpuPercent: ((cpuMs(pid) - before) / (performance.now() - startedAt)) * 100 };
}

async function relist(raw: Raw): Promise<void> {
  await raw('ListPodSandbox');
  await raw('ListContainers');
}

async function readStats(raw: Raw): Promise<void> {
  await raw('ListContainerStats');
  await raw('ListPodSandboxStats');
  await raw('ListPodSandboxMetrics');
}

async function fetchMetricsPage(place: Daemon['place']): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  get({ socketPath: place.adminSocket, path: '/metrics' }, (response) => {
    response.resume().on('end', resolve);
    if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
  }).on('error', reject);
  await promise;
}

async function measureAll() {
  await using resources = new AsyncDisposableStack();
  const registry = resources.use(await startRegistry());
  const image = await push(registry.host, buildImage([busyboxLayer()]), 'busybox');
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  resources.defer(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'loop');
  process.env['BENCH_LOOP_FILE'] = file;
  process.env['NODE_OPTIONS'] = `--import=${join(import.meta.dirname, 'bench-loop-probe.ts')}`;
  const daemon = resources.use(await startDaemon());
  const probe = loopProbe(daemon.pid, file);
  const { cri } = daemon;
  using raw = rawCaller(daemon.place.socket);
  await cri.pullImage({ image: { image } });
  await runMany(daemon, image);
  const memoryBefore = memoryKib(daemon.pid);
  const calls: Record<string, Call> = {
    ListContainerStats: () => raw('ListContainerStats'),
    ListPodSandboxStats: () => raw('ListPodSandboxStats'),
    ListPodSandboxMetrics: () => raw('ListPodSandboxMetrics'),
    'the metrics page': () => fetchMetricsPage(daemon.place),
  };
  const measured: Record<string, Measured> = {};
  for (const [name, call] of Object.entries(calls)) measured[name] = await measure(call, probe);
  const stats = await pollStatsOnly(daemon, raw);
  const kubelet = await pollAsKubelet(daemon, raw);
  const memoryAfter = memoryKib(daemon.pid);
  await exitMany(daemon, image);
  measured['ListContainers'] = await measure(() => raw('ListContainers'), probe);
  return { measured, stats, kubelet, memoryBefore, memoryAfter };
}

function print({ measured, stats, kubelet, ...memory }: Awaited<ReturnType<typeof measureAll>>) {
  console.log(`${options.running} containers that run, ${options.exited} that have exited\n`);
  console.log(['', 'median', 'shortest', 'processor', 'event loop late'].map(cell).join(''));
  for (const [name, each] of Object.entries(measured)) {
    const numbers = [each.medianMs, each.minMs, each.cpuMs, each.lateMs].map(
      (value) => `${value.toFixed(1)} ms`,
    );
    console.log([name, ...numbers].map(cell).join(''));
  }
  console.log(`\nstatistics and metrics every 10 s: ${percent(stats.cpuPercent)}`);
  console.log(`the same, and lists every second: ${percent(kubelet.cpuPercent)}`);
  const [before, after] = [memory.memoryBefore.rss, memory.memoryAfter.rss].map(
    (kib) => kib / 1024,
  );
  console.log(`RSS before: ${before?.toFixed(1)} MiB, after: ${after?.toFixed(1)} MiB`);
}

function percent(value: number): string {
  return `${value.toFixed(2)} % of a processor`;
}

function cell(text: string): string {
  return text.padEnd(24);
}

if (options.help) {
  console.log(usage);
} else {
  const measured = await measureAll();
  if (options.json) console.log(JSON.stringify(measured, undefined, 2));
  else print(measured);
}
