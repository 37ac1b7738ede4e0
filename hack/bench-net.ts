/** Measures the built-in pod network. See --help. */
import { parseArgs } from 'node:util';
import { Protocol } from '#api/cri/v1/types.ts';
import { startDaemon, type Daemon } from '#harness/daemon.ts';
import { untilInterrupted } from '#harness/interruption.ts';
import { podConfig } from '#harness/pods.ts';
import { median } from './bench-median.ts';
import {
  masqueradeByHand,
  type NetWorld,
  openNetWorld,
  type Stream,
  streamBytes,
  wireByHand,
} from './bench-net-world.ts';
import { memoryKib } from './bench-usage.ts';

const usage = `Usage: hack/bench net [--rounds N] [--pods N] [--streams N] [--json]

  --rounds N    pods that are connected one after the other, per kind of network (300)
  --pods N      pods that a daemon makes and removes in a loop, 8 at a time (1000); 0 for none
  --streams N   rounds of TCP streams of 1 GB, in alternation with a bridge made by hand (30); 0 for none
  --json        prints one JSON object instead of lines`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '300' },
    pods: { type: 'string', default: '1000' },
    streams: { type: 'string', default: '30' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const interrupted = untilInterrupted();
const inParallel = 100;
const workers = 8;
const streamBytesEach = 1e9;

/** The first repetitions warm caches and the compiler up, and are not counted. */
const warmUpRounds = 20;

const pod = (id: string, netnsPath: string) => ({
  id,
  name: id,
  namespace: 'bench',
  netnsPath,
  portMappings: [],
});

async function timed(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  return performance.now() - start;
}

/** Connecting one pod at a time, in ms, and many at once. */
async function measureSetUp(subnets: readonly string[]) {
  await using world = await openNetWorld(subnets);
  const times: number[] = [];
  for (let round = -warmUpRounds; round < Number(options.rounds); round++) {
    interrupted.throwIfAborted();
    const id = `pod${round}`;
    const netns = await world.makeNetns(id);
    const ms = await timed(() => world.network.addPod(pod(id, netns)));
    if (round >= 0) times.push(ms);
    await removePod(world, id);
  }
  const sorted = times.toSorted((one, other) => one - other);
  return {
    medianMs: median(times),
    p95Ms: sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN,
    ...(await measureParallel(world)),
  };
}

async function measureParallel(world: NetWorld) {
  const ids = Array.from({ length: inParallel }, (_, at) => `together${at}`);
  const paths = await Promise.all(ids.map(world.makeNetns));
  const allMs = await timed(() =>
    Promise.all(ids.map((id, at) => world.network.addPod(pod(id, paths[at] ?? '')))),
  );
  await Promise.all(ids.map((id) => removePod(world, id)));
  return { parallelMs: allMs };
}

async function removePod(world: NetWorld, id: string): Promise<void> {
  await world.network.removePod(id);
  await world.dropNetns(id);
}

/**
 * Streams over our bridge, and over one made by hand on a host that has nothing else; ratios are medians
 * of those of two streams that came right after each other. Where others use the machine, the processor
 * time says more than the rate.
 */
async function measureStreams() {
  await using world = await openNetWorld(['10.98.0.0/24']);
  const host = `/proc/${process.pid}/task/${process.pid}/ns/net`;
  const ids = ['one', 'two', 'hand', 'hand-one', 'hand-two'];
  const [one = '', two = '', hand = '', handOne = '', handTwo = ''] = await Promise.all(
    ids.map(world.makeNetns),
  );
  await world.network.addPod(pod('one', one));
  await world.network.addPod(pod('two', two));
  wireByHand(hand, handOne, handTwo);
  const toPod = () =>
    compare(
      () => streamBytes(one, { netns: two, address: '10.98.0.3' }, streamBytesEach),
      () => streamBytes(handOne, { netns: handTwo, address: '10.99.0.3' }, streamBytesEach),
    );
  const toHost = () =>
    compare(
      () => streamBytes(one, { netns: host, address: '10.98.0.1' }, streamBytesEach),
      () => streamBytes(handOne, { netns: hand, address: '10.99.0.1' }, streamBytesEach),
    );
  const plain = { 'pod to pod': await toPod(), 'pod to host': await toHost() };
  // What reaches the world from there has to be masqueraded, by hand as well.
  masqueradeByHand(hand);
  const masqueraded = {
    'pod to pod, both masquerading': await toPod(),
    'pod to host, both masquerading': await toHost(),
  };
  await world.network.removePod('one');
  await world.network.removePod('two');
  return { ...plain, ...masqueraded };
}

async function compare(measureOurs: () => Promise<Stream>, measureHand: () => Promise<Stream>) {
  const rounds: { readonly ours: Stream; readonly hand: Stream }[] = [];
  for (let round = -1; round < Number(options.streams); round++) {
    interrupted.throwIfAborted();
    // Who is first takes turns, too.
    const early = round % 2 === 0 ? await measureOurs() : undefined;
    const hand = await measureHand();
    const ours = early ?? (await measureOurs());
    if (round >= 0) rounds.push({ ours, hand });
  }
  return {
    oursMs: median(rounds.map(({ ours }) => ours.ms)),
    handMs: median(rounds.map(({ hand }) => hand.ms)),
    rateRatio: median(rounds.map(({ ours, hand }) => hand.ms / ours.ms)),
    cpuRatio: median(rounds.map(({ ours, hand }) => ours.cpuMs / hand.cpuMs)),
  };
}

/** Makes and removes pods through the CRI, every tenth with a port of the host. */
async function measureLoop(count: number) {
  await using daemon = await startDaemon();
  const times: number[] = [];
  const upTo = async (end: number) => {
    const work = async () => {
      while (times.length < end) {
        interrupted.throwIfAborted();
        const number = times.push(0) - 1;
        times[number] = await runAndRemove(daemon, number);
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    return memoryKib(daemon.pid);
  };
  // Until then the daemon becomes as large as it gets.
  const before = await upTo(Math.min(count, 200));
  const after = await upTo(count);
  return {
    first100Ms: median(times.slice(0, 100)),
    last100Ms: median(times.slice(-100)),
    rssBeforeKib: before.rss,
    rssAtEndKib: after.rss,
    left: await daemon.leaks(),
  };
}

async function runAndRemove({ cri, place }: Daemon, number: number): Promise<number> {
  const portMappings =
    number % 10 === 0
      ? [
          {
            protocol: Protocol.TCP,
            containerPort: 80,
            hostPort: 20_000 + (number % 5000),
            hostIp: '',
          },
        ]
      : [];
  const config = podConfig({ place }, { portMappings });
  let podSandboxId = '';
  const ms = await timed(async () => {
    ({ podSandboxId } = await cri.runPodSandbox({ config }));
  });
  await cri.stopPodSandbox({ podSandboxId });
  await cri.removePodSandbox({ podSandboxId });
  return ms;
}

type SetUp = Awaited<ReturnType<typeof measureSetUp>>;
type Streams = Awaited<ReturnType<typeof measureStreams>>;
type Loop = Awaited<ReturnType<typeof measureLoop>>;

function describeSetUp(kind: string, { medianMs, p95Ms, parallelMs }: SetUp): string {
  const alone = `${medianMs.toFixed(2)} ms one at a time (95 % below ${p95Ms.toFixed(2)} ms)`;
  return `connect a pod, ${kind}: ${alone}; ${inParallel} at once in ${parallelMs.toFixed(0)} ms`;
}

function describeStreams(streams: Streams): string[] {
  return Object.entries(streams).map(([way, { oursMs, handMs, rateRatio, cpuRatio }]) => {
    const rates = `${gigabits(oursMs)}, by hand ${gigabits(handMs)} (${rateRatio.toFixed(2)}x)`;
    return `TCP ${way}: ${rates}; processor time for a byte ${cpuRatio.toFixed(2)}x`;
  });
}

function describeLoop({ first100Ms, last100Ms, rssBeforeKib, rssAtEndKib, left }: Loop): string[] {
  const ends = `first 100 ${first100Ms.toFixed(1)} ms, last 100 ${last100Ms.toFixed(1)} ms`;
  const ratio = (last100Ms / first100Ms).toFixed(2);
  return [
    `RunPodSandbox, ${options.pods} pods, ${workers} at a time: ${ends} (${ratio}x)`,
    `RSS after 200 pods ${mib(rssBeforeKib)}, at the end ${mib(rssAtEndKib)}`,
    left.length === 0 ? 'nothing is left' : `left:\n${left.join('\n')}`,
  ];
}

/** Tells each result when it is there; all of them are returned. */
async function measure(tell: (line: string) => void) {
  const ipv4 = await measureSetUp(['10.98.0.0/16']);
  tell(describeSetUp('IPv4', ipv4));
  const dual = await measureSetUp(['10.98.0.0/16', 'fd00:98::/64']);
  tell(describeSetUp('IPv4 and IPv6', dual));
  const streams = Number(options.streams) === 0 ? undefined : await measureStreams();
  if (streams !== undefined) describeStreams(streams).forEach(tell);
  const loop = Number(options.pods) === 0 ? undefined : await measureLoop(Number(options.pods));
  if (loop !== undefined) describeLoop(loop).forEach(tell);
  return { setUp: { ipv4, dual }, streams, loop };
}

function gigabits(ms: number): string {
  return `${((streamBytesEach * 8) / ms / 1e6).toFixed(1)} Gbit/s`;
}

function mib(kib: number): string {
  return `${(kib / 1024).toFixed(1)} MiB`;
}

if (options.help) {
  console.log(usage);
} else {
  const measured = await measure((line) => options.json || console.log(line));
  if (options.json) console.log(JSON.stringify(measured, undefined, 2));
}
