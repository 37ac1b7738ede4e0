import { setTimeout as delay } from 'node:timers/promises';
import { openCgroupfs, type Pressure } from 'cgroupfs-ts';
import { type Command, ExitError, type Invocation } from './command.ts';
import { LiveLines } from './live-lines.ts';
import { endWithReader } from './output.ts';
import { resolvePod } from './resolve.ts';
import { bytesCell, orDash } from './sizes.ts';
import { columnsOf, isTerminal, styled } from './style.ts';
import { alignedLines } from './table.ts';
import { coresBetween, sampleUsage, type UsageSample } from './usage-sample.ts';

export const top: Command = {
  synopsis: '[-d SECONDS] [-n COUNT] [--sort cpu|memory|pids] [POD]',
  details: `A table of the running containers, drawn anew every two seconds until Ctrl-C or q: CPU in percent
of a core, MEMORY that the kernel cannot easily have back, its limit, PIDS, how much of the last ten
seconds processes waited for cpu, memory and disks (PSI; cgroup v2 only), RESTARTS. Elsewhere than
on a terminal: once, after one interval, unless --count says how often. Where a terminal is narrow,
names are shortened, and ids left out.

Flags:
  -d, --delay SECONDS  between two tables; else 2
  -n, --count COUNT    how many tables
  --sort COLUMN        cpu, memory or pids, the highest first; else cpu
`,
  flags: {
    delay: { type: 'string', short: 'd' },
    count: { type: 'string', short: 'n' },
    sort: { type: 'string' },
  },
  operands: { min: 0, max: 1 },
  run: async (invocation) => {
    const { options, isJson } = invocation;
    const delayMs = positive('--delay', options['delay'] ?? '2') * 1000;
    const isLive = isTerminal() && !isJson;
    endWithReader();
    const count = positive('--count', options['count'] ?? (isLive ? 'Infinity' : '1'));
    const order = orderOf(options['sort'] ?? 'cpu');
    using keys = quitKeys(isLive);
    const lines = isLive ? new LiveLines(process.stdout) : undefined;
    let before = new Map<string, UsageSample>();
    for (let shown = 0; shown <= count && !keys.signal.aborted; shown += 1) {
      const samples = await sampled(invocation);
      const rows = samples.map((sample) => rowOf(sample, before)).sort(order);
      // The first sample is what the second is compared with.
      if (isLive || shown > 0) show(rows, { lines, isJson });
      before = new Map(samples.map((sample) => [sample.container.id, sample]));
      if (shown < count) await delay(delayMs, undefined, { signal: keys.signal }).catch(() => {});
    }
  },
};

async function sampled({ node, operands: [text] }: Invocation): Promise<UsageSample[]> {
  const pods = await node.pods();
  const wanted = text === undefined ? pods : [resolvePod(pods, text)];
  return sampleUsage(wanted, openCgroupfs());
}

function positive(flag: string, text: unknown): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new ExitError('usage', `${flag}: "${String(text)}" is no number above 0`);
}

/** What a terminal sends for it while keys are read as they are typed. */
const ctrlC = '\u0003';

/** Ctrl-C, and q where keys are read as they are typed. */
function quitKeys(isLive: boolean): Disposable & { readonly signal: AbortSignal } {
  const quit = new AbortController();
  const { stdin } = process;
  if (!isLive || !stdin.isTTY) return { signal: quit.signal, [Symbol.dispose]: () => {} };
  stdin.setRawMode(true).on('data', (keys: Buffer) => {
    if (keys.includes('q') || keys.includes(ctrlC)) quit.abort();
  });
  return {
    signal: quit.signal,
    [Symbol.dispose]: () => {
      stdin.setRawMode(false);
      stdin.destroy();
    },
  };
}

type Row = {
  readonly id: string;
  readonly name: string;
  /** Of a core; absent without an earlier sample. */
  readonly cpuPercent?: number;
  readonly memoryBytes?: number;
  readonly memoryLimitBytes?: number;
  readonly pids?: number;
  /** Of the last ten seconds, in percent. */
  readonly pressure: { readonly cpu?: number; readonly memory?: number; readonly io?: number };
  readonly restarts: number;
};

function rowOf(sample: UsageSample, before: ReadonlyMap<string, UsageSample>): Row {
  const { pod, container, stats } = sample;
  const cores = coresBetween(before.get(container.id), sample);
  const { memory, pids, pressure } = stats;
  return {
    id: container.id,
    name: `${pod}/${container.name}`,
    ...present({
      cpuPercent: cores === undefined ? undefined : Math.round(cores * 1000) / 10,
      memoryBytes: memory?.workingSetBytes,
      memoryLimitBytes: memory?.limitBytes,
      pids: pids?.current,
    }),
    pressure: present({
      cpu: waited(pressure?.cpu),
      memory: waited(pressure?.memory),
      io: waited(pressure?.io),
    }),
    restarts: container.attempt,
  };
}

function waited(pressure: Pressure | undefined): number | undefined {
  return pressure?.some?.avg10Percent;
}

function present<Key extends string>(values: Readonly<Record<Key, number | undefined>>) {
  const entries = Object.entries<number | undefined>(values).filter(([, it]) => it !== undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same keys, if they have values
  return Object.fromEntries(entries) as Partial<Record<Key, number>>;
}

type Order = (one: Row, other: Row) => number;

function orderOf(column: unknown): Order {
  const keys = { cpu: 'cpuPercent', memory: 'memoryBytes', pids: 'pids' } as const;
  const key =
    column === 'cpu' || column === 'memory' || column === 'pids' ? keys[column] : undefined;
  if (key !== undefined) return (one, other) => (other[key] ?? 0) - (one[key] ?? 0);
  throw new ExitError('usage', `--sort: there is ${Object.keys(keys).join(', ')}`);
}

const heading = 'CONTAINER NAME CPU MEMORY LIMIT PIDS CPU-PSI MEM-PSI IO-PSI RESTARTS'.split(' ');

function show(
  rows: readonly Row[],
  { lines, isJson }: { readonly lines: LiveLines | undefined; readonly isJson: boolean },
): void {
  if (isJson) {
    process.stdout.write(`${JSON.stringify(rows)}\n`);
    return;
  }
  const cells = rows.map(cellsOf);
  if (lines === undefined) {
    process.stdout.write([heading, ...cells].map((row) => `${row.join('\t')}\n`).join(''));
    return;
  }
  const [first = '', ...others] = alignedLines(fitted([heading, ...cells], lines.columns));
  lines.draw([styled('bold', first), ...others]);
}

/** Shorter than this, names tell nothing. */
const shortestName = 32;

/**
 * For a terminal that is too narrow names lose their middle, and then ids go, so that the numbers are
 * to be seen. What is still too much at the end is cut off.
 */
function fitted(rows: readonly string[][], columns: number): readonly string[][] {
  const shorter = withNames(rows, 1, columns);
  if (widthOf(shorter) <= columns) return shorter;
  const withoutIds = rows.map(([, ...others]) => others);
  return withNames(withoutIds, 0, columns);
}

/** The same with the names, which are the n-th column, as long as there is room for. */
function withNames(rows: readonly string[][], n: number, columns: number): string[][] {
  const longest = Math.max(...rows.map((row) => row[n]?.length ?? 0));
  const room = Math.max(shortestName, longest - Math.max(0, widthOf(rows) - columns));
  return rows.map((row) => row.with(n, shortened(row[n] ?? '', room)));
}

function widthOf(rows: readonly string[][]): number {
  return Math.max(...alignedLines(rows).map(columnsOf));
}

/** `kube-system/cored…n/coredns`: namespace and container are at the ends. */
function shortened(name: string, room: number): string {
  if (name.length <= room) return name;
  const end = Math.floor((room - 1) / 2);
  return `${name.slice(0, room - 1 - end)}…${name.slice(name.length - end)}`;
}

function cellsOf({ id, name, cpuPercent, memoryBytes, memoryLimitBytes, ...row }: Row): string[] {
  const { cpu, memory, io } = row.pressure;
  return [
    id.slice(0, 12),
    name,
    percentCell(cpuPercent),
    bytesCell(memoryBytes),
    bytesCell(memoryLimitBytes),
    orDash(row.pids, String),
    percentCell(cpu),
    percentCell(memory),
    percentCell(io),
    String(row.restarts),
  ];
}

function percentCell(percent: number | undefined): string {
  return orDash(percent, (known) => `${known} %`);
}
