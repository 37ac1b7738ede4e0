/** Measures pulls of gantryd against containerd's, and against unpacking alone. See --help. */
import { execa } from 'execa';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Daemon, startDaemon } from '#harness/daemon.ts';
import { push, startRegistry } from '#harness/registry.ts';
import { eventually } from '#harness/wait.ts';
import { benchImage, type BenchLayer, benchLayers } from './bench-image-layers.ts';
import { median } from './bench-median.ts';
import {
  bringPeers,
  describePeers,
  peakMib,
  pullWithContainerd,
  unpackOnly,
} from './bench-peers.ts';
import { memoryKib } from './bench-usage.ts';

const usage = `Usage: hack/bench images [--rounds N] [--only NAME]... [--without-containerd] [--json]

Pulls four layers (206 MB of gzip, 659 MB in 30,000 entries) and parts of them from a registry on
loopback: with gantryd, with Debian's containerd, and, as the floor, unpacks them from local files
without a registry, digests or a record. Medians in seconds; the three take turns, each on new folders.

  --rounds N            repetitions of each (5)
  --only NAME           one of the images; may be repeated
  --without-containerd  only gantryd and the floor
  --json                prints one JSON object instead of a table`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true, default: [] },
    'without-containerd': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const cache = fileURLToPath(new URL('../.cache/bench-images', import.meta.url));

type Subject = {
  readonly name: string;
  readonly layers: readonly BenchLayer[];
  readonly reference: string;
};
type Sample = { readonly seconds: number; readonly peakMib: number };
type Contender = (subject: Subject, directory: string) => Promise<Sample>;
type Result = { readonly name: string } & Readonly<Record<string, Sample | string>>;

/** Everything that is made is deleted when all has been measured: after a deletion, ext4 makes files slowly. */
async function measure(): Promise<readonly Result[]> {
  await using resources = new AsyncDisposableStack();
  const peers = await bringPeers(join(cache, 'peers'));
  console.error(await describePeers(peers));
  const storage = join(cache, 'registry');
  mkdirSync(storage, { recursive: true });
  const registry = resources.use(await startRegistry({ storage }));
  const { subjects, warmUp } = await subjectsIn(registry.host);
  const root = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  resources.defer(() => rmSync(root, { recursive: true }));
  const contenders: Record<string, Contender> = {
    gantry: (subject, directory) => pullWithGantry({ subject, warmUp }, directory),
    floor: async ({ layers }, directory) => ({
      seconds: await unpackOnly(peers, layers, directory),
      peakMib: 0,
    }),
  };
  if (!options['without-containerd']) {
    contenders['containerd'] = ({ reference }, directory) =>
      pullWithContainerd(peers, reference, directory);
  }
  // The first start compiles the sources, which takes memory as well, and keeps the result.
  if (subjects[0]) await pullWithGantry({ subject: subjects[0], warmUp }, join(root, 'compile'));
  const results: Result[] = [];
  for (const subject of subjects) {
    const samples = await alternate(contenders, subject, root);
    const late = await loopDelay({ subject, warmUp }, join(root, `${subject.name}-loop`));
    results.push({ name: subject.name, ...samples, late });
    console.error(JSON.stringify(results.at(-1)));
  }
  return results;
}

/** The images, in the registry. */
async function subjectsIn(host: string) {
  const layers = await benchLayers(cache);
  const images: Record<string, readonly BenchLayer[]> = {
    all: [layers.small.gzip, layers.large.gzip, layers.whiteouts.gzip, layers.medium.gzip],
    'all-zstd': [layers.small.zstd, layers.large.zstd, layers.whiteouts.zstd, layers.medium.zstd],
    'small-files': [layers.small.gzip],
    'large-files': [layers.large.gzip],
    tiny: [layers.whiteouts.gzip],
  };
  const subjects: Subject[] = [];
  for (const [name, parts] of Object.entries(images)) {
    if (options.only.length > 0 && !options.only.includes(name)) continue;
    subjects.push({
      name,
      layers: parts,
      reference: await push(host, benchImage(parts), `${name}:v1`),
    });
  }
  const warmUp = await push(host, benchImage([layers.whiteouts.zstd]), 'warm-up:v1');
  return { subjects, warmUp };
}

async function alternate(
  contenders: Readonly<Record<string, Contender>>,
  subject: Subject,
  root: string,
) {
  const names = Object.keys(contenders);
  const samples = new Map(names.map((name) => [name, [] as Sample[]]));
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await settle();
      const sample = await contenders[name]?.(
        subject,
        join(root, `${subject.name}-${round}-${name}`),
      );
      if (sample !== undefined) samples.get(name)?.push(sample);
    }
  }
  return Object.fromEntries(
    [...samples].map(([name, all]): [string, Sample] => [
      name,
      {
        seconds: median(all.map(({ seconds }) => seconds)),
        peakMib: Math.max(...all.map((sample) => sample.peakMib)),
      },
    ]),
  );
}

/** Has nothing left to write, and memory that the host has given us already. */
async function settle(): Promise<void> {
  await execa('sync');
  await execa(process.execPath, ['-e', 'Buffer.alloc(1.8e9, 1)']);
}

type Pull = { readonly subject: Subject; readonly warmUp: string };

/** In a daemon that has just pulled another, tiny image, as a running one has. */
async function pullWithGantry(pull: Pull, directory: string): Promise<Sample> {
  await using daemon = await warmDaemon(pull, directory);
  const start = performance.now();
  await daemon.cri.pullImage({ image: { image: pull.subject.reference } }, { timeoutMs: 300_000 });
  return { seconds: (performance.now() - start) / 1000, peakMib: peakMib(daemon.pid) };
}

async function warmDaemon({ warmUp }: Pull, directory: string): Promise<Daemon> {
  mkdirSync(directory);
  const daemon = await startDaemon({ directory });
  // Soon after its start it gives back what only the start needed.
  const atStart = memoryKib(daemon.pid).rss;
  await eventually('the daemon is at rest', () => memoryKib(daemon.pid).rss < atStart * 0.8);
  await daemon.cri.pullImage({ image: { image: warmUp } });
  // From here on it keeps a new peak: proc_pid_clear_refs(5).
  writeFileSync(`/proc/${daemon.pid}/clear_refs`, '5');
  return daemon;
}

/** How late the main thread is during a pull that is not timed. */
async function loopDelay(pull: Pull, directory: string): Promise<string> {
  const file = `${directory}.json`;
  process.env['NODE_OPTIONS'] = `--import=${new URL('bench-loop-probe.ts', import.meta.url).href}`;
  process.env['BENCH_LOOP_FILE'] = file;
  try {
    await using daemon = await warmDaemon(pull, directory);
    const tell = async () => {
      rmSync(file, { force: true });
      process.kill(daemon.pid, 'SIGUSR2');
      await eventually('the probe has answered', () => existsSync(file));
    };
    await tell();
    await daemon.cri.pullImage(
      { image: { image: pull.subject.reference } },
      { timeoutMs: 300_000 },
    );
    await tell();
    const { p99, max } = JSON.parse(readFileSync(file, 'utf8'));
    return `p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;
  } finally {
    delete process.env['NODE_OPTIONS'];
    delete process.env['BENCH_LOOP_FILE'];
  }
}

function cells(row: readonly string[]): string {
  return row
    .map((cell) => cell.padEnd(26))
    .join('')
    .trimEnd();
}

function printTable(results: readonly Result[]): void {
  console.log(
    cells(['median', 'gantry (peak RSS)', 'floor', 'containerd (peak RSS)', 'main thread late by']),
  );
  for (const { name, gantry, floor, containerd, late } of results) {
    const own = typeof gantry === 'object' ? gantry.seconds : Number.NaN;
    const text = (sample: Sample | string | undefined) => {
      if (typeof sample !== 'object') return sample ?? '';
      const memory = sample.peakMib === 0 ? '' : ` (${sample.peakMib.toFixed(0)} MiB)`;
      const ratio = sample.seconds === own ? '' : ` ${(own / sample.seconds).toFixed(2)}x`;
      return `${sample.seconds.toFixed(3)} s${ratio}${memory}`;
    };
    console.log(cells([name, text(gantry), text(floor), text(containerd), text(late)]));
  }
}

if (options.help) {
  console.log(usage);
} else {
  const results = await measure();
  if (options.json) console.log(JSON.stringify(results, undefined, 2));
  else printTable(results);
}
