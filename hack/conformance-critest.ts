/** Runs critest and reads what it reports. */
import { execa } from 'execa';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unmountBelow } from '#harness/leftovers.ts';
import type { Place } from '#harness/place.ts';
import type { Spec } from './conformance-ratchet.ts';

/** Files that a run leaves in its folder. */
export const reportNames = ['critest.log', 'report.json', 'report.xml'] as const;

export type CritestOptions = {
  /** How many specs run at a time. */
  readonly parallel: number;
  /** Regular expressions over the names of specs. */
  readonly focus?: string;
  readonly skip: readonly string[];
  /** What exec, attach and port-forward are done by. */
  readonly transport: 'spdy' | 'websocket';
  /** Ends the run. */
  readonly signal: AbortSignal;
};

/** The part of ginkgo's JSON report that counts. */
type Report = readonly {
  readonly SpecReports: readonly {
    readonly ContainerHierarchyTexts: readonly string[] | null;
    readonly LeafNodeType: string;
    readonly LeafNodeText: string;
    readonly State: string;
    readonly Failure?: { readonly Message?: string };
  }[];
}[];

const program = fileURLToPath(new URL('../.tools/bin/critest', import.meta.url));
/** A run takes some twenty seconds; one that hangs must not hang for ever. */
const timeoutMs = 20 * 60_000;

const webSocketFlags = ['exec', 'attach', 'portforward'].map((name) => `-websocket-${name}`);

/**
 * Runs critest on the daemon of `place` and returns the specs that it chose; the names of those that
 * were run by another transport than usual end with it. Its files go to `folder`.
 */
export async function runCritest(
  place: Place,
  folder: string,
  { parallel, focus, skip, transport, signal }: CritestOptions,
): Promise<Spec[]> {
  // ginkgo runs what has this ending without building it, and writes its reports beside it.
  const suite = './critest.test';
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary, { recursive: true });
  symlinkSync(program, join(folder, suite));
  const args = [
    `--nodes=${parallel}`,
    '--json-report=report.json',
    '--junit-report=report.xml',
    '--no-color',
    ...(focus === undefined ? [] : [`--focus=${focus}`]),
    ...skip.map((pattern) => `--skip=${pattern}`),
    suite,
    '--',
    `-runtime-endpoint=unix://${place.socket}`,
    `-image-endpoint=unix://${place.socket}`,
    ...(transport === 'websocket' ? webSocketFlags : []),
  ];
  const log = { file: join(folder, 'critest.log'), append: true };
  const { timedOut } = await execa('ginkgo', args, {
    cwd: folder,
    stdin: 'ignore',
    stdout: log,
    stderr: log,
    env: { TMPDIR: temporary },
    timeout: timeoutMs,
    cancelSignal: signal,
    // It would end this program on Ctrl-C, before anything is taken down.
    cleanup: false,
    reject: false,
  });
  // A spec that fails leaves its mounts.
  await unmountBelow(temporary);
  signal.throwIfAborted();
  if (timedOut) throw new Error(`critest took more than ${timeoutMs / 60_000} minutes`);
  const specs = readReport(folder);
  if (transport === 'spdy') return specs;
  return specs.map((spec) => ({ ...spec, name: `${spec.name} [${transport}]` }));
}

function readReport(folder: string): Spec[] {
  const reports: Report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
  return (
    reports
      .flatMap(({ SpecReports }) => SpecReports)
      .filter(({ LeafNodeType, State }) => LeafNodeType === 'It' || State !== 'passed')
      .map(({ ContainerHierarchyTexts, LeafNodeText, LeafNodeType, State, Failure }): Spec => ({
        name: [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' ') || LeafNodeType,
        outcome: State === 'passed' || State === 'skipped' ? State : 'failed',
        message: Failure?.Message ?? '',
      }))
      // Left out of this run; a spec that skips itself says why.
      .filter(({ outcome, message }) => outcome !== 'skipped' || message !== '')
  );
}
