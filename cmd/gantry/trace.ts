import type { Operations } from '#admin/routes/list-operations.ts';
import type { Span } from '#trace/span.ts';
import type { Operation } from '#trace/tracer.ts';
import type { AdminClient } from './admin-client.ts';
import { type Command, ExitError } from './command.ts';
import { isDown } from './node-view.ts';
import { printJson } from './output.ts';
import { describeWait, processesNaming, processWait, type ProcessWait } from './process-wait.ts';
import type { Places } from './places.ts';
import { isTerminal, printable, styled } from './style.ts';
import { flatten, waterfall } from './waterfall.ts';

export const trace: Command = {
  synopsis: '[-n COUNT] [--all] [RPC|ID]',
  details: `Three parts: what goes on right now, with the program that it waits for, the state of that and the
kernel's function that it is in; the slowest operations of the last hour; the latest ones. Each
comes with a line for every stage. RPC is a name such as RunPodSandbox; ID the beginning of the id
of a pod, of a container or of a request, as in the log.

Elsewhere than on a terminal there is a line for each operation and stage, in columns of: id, name,
stage, beginning in milliseconds after that of the operation, milliseconds, error.

Flags:
  -n, --count COUNT    how many of the slowest and of the latest; else 5
  --all                also status calls and lists that took less than 10 ms
`,
  flags: { count: { type: 'string', short: 'n' }, all: { type: 'boolean' } },
  operands: { min: 0, max: 1 },
  run: async ({ admin, places, operands: [wanted], options, isJson }) => {
    const all = await operationsOf(admin, places);
    const count = countOf(options['count'] ?? '5');
    const isShown = (operation: Operation) =>
      (options['all'] === true || wanted !== undefined || !isPoll(operation)) &&
      isAbout(operation, wanted);
    const operations = {
      running: all.running.filter((it) => isAbout(it, wanted)).map(withWaits),
      slowest: all.slowest.filter(isShown).slice(0, count),
      latest: all.latest.filter(isShown).slice(0, count),
    };
    if (isJson) printJson(operations);
    else process.stdout.write((isTerminal() ? page(operations) : columns(operations)).join('\n'));
  },
};

/** A daemon that does not answer is what is stuck: then the error tells what its threads wait for. */
async function operationsOf(admin: AdminClient, { address }: Places): Promise<Operations> {
  try {
    return await admin.ask<Operations>({ method: 'GET', path: '/v1/operations' });
  } catch (error) {
    if (!isDown(error)) throw error;
    const { socketOwner, threadWaits } = await import('./socket-owner.ts');
    const pid = socketOwner(address);
    if (pid === undefined) throw error;
    const threads = threadWaits(pid).map((wait) => `\n  ${describeWait(wait)}`);
    throw new ExitError('unreachable', `${error.message}; its threads:${threads.join('')}`);
  }
}

type Waiting = Operation & { readonly waits: readonly ProcessWait[] };

type Shown = {
  readonly running: readonly Waiting[];
  readonly slowest: readonly Operation[];
  readonly latest: readonly Operation[];
};

function countOf(text: string | boolean | (string | boolean)[]): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new ExitError('usage', `--count: "${String(text)}" is no number of operations`);
}

/** What kubelet asks all the time, and is not worth telling unless it took long. */
function isPoll({ stages, durationMs = 0, error }: Operation): boolean {
  return stages.length === 0 && durationMs < 10 && error === undefined;
}

function isAbout({ id, name, attributes }: Operation, wanted: string | undefined): boolean {
  if (wanted === undefined || name === wanted) return true;
  return [id, ...Object.values(attributes)].some((value) => value.startsWith(wanted));
}

/** The programs that an operation has started, and those that work on its container. */
function withWaits(operation: Operation): Waiting {
  const open = [operation, ...flatten(operation.stages, 0).map(({ span }) => span)];
  const { containerId } = operation.attributes;
  const pids = [
    ...open.flatMap(({ programs }) => programs.map(({ pid }) => pid)),
    // A monitor leaves its parent, and what it runs is its own child.
    ...(containerId === undefined ? [] : processesNaming(containerId)),
  ];
  const waits = [...new Set(pids)].map((pid) => processWait(pid)).filter((it) => it !== undefined);
  return { ...operation, waits };
}

function page({ running, slowest, latest }: Shown): string[] {
  const nowMs = Date.now();
  return [
    ...section(
      'Going on',
      running.map((it) => [...waterfall(it, nowMs), ...waitLines(it, running)]),
    ),
    ...section(
      'The slowest of the last hour',
      slowest.map((it) => waterfall(it, nowMs)),
    ),
    ...section(
      'The latest',
      latest.map((it) => waterfall(it, nowMs)),
    ),
    '',
  ];
}

function section(heading: string, blocks: readonly (readonly string[])[]): string[] {
  const lines = blocks.flatMap((block) => ['', ...block]);
  return [styled('bold', heading), ...(lines.length === 0 ? ['  nothing'] : lines), ''];
}

function waitLines(operation: Waiting, running: readonly Operation[]): string[] {
  const programs = operation.waits.flatMap((wait) => [
    `  ${styled('yellow', printable(describeWait(wait)))}`,
    ...(wait.state === 'D' ? wait.stack.map((frame) => `      ${frame}`) : []),
  ]);
  const holders = waitsForLock(operation) ? running.filter((it) => isHolder(it, operation)) : [];
  const locks = holders.map(
    ({ name, id }) =>
      `  ${styled('yellow', `waits for ${name} (request ${id}) on the same object`)}`,
  );
  return [...locks, ...programs];
}

function waitsForLock({ stages }: Span): boolean {
  return stages.some(
    (stage) => (stage.name === 'lock' && stage.durationMs === undefined) || waitsForLock(stage),
  );
}

function isHolder(other: Operation, waiting: Operation): boolean {
  if (other.id === waiting.id || other.startedAtMs > waiting.startedAtMs) return false;
  const theirs = new Set(Object.values(other.attributes));
  return Object.values(waiting.attributes).some((value) => theirs.has(value));
}

function columns({ running, slowest, latest }: Shown): string[] {
  const unique = new Map([...running, ...slowest, ...latest].map((it) => [it.id, it]));
  const lines = [...unique.values()].flatMap((operation) =>
    [{ span: operation, depth: 0 }, ...flatten(operation.stages, 1)].map(({ span, depth }) =>
      [
        operation.id,
        operation.name,
        depth === 0 ? '' : `${'  '.repeat(depth - 1)}${span.name}`,
        (span.startedAtMs - operation.startedAtMs).toFixed(3),
        span.durationMs?.toFixed(3) ?? '',
        printable(span.error ?? ''),
      ].join('\t'),
    ),
  );
  return [...lines, ''];
}
