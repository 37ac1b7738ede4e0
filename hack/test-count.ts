/** What passed and failed: of vitest, and of scripts that close as `closeRun` does. */
import { execa } from 'execa';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { slowness } from '#harness/wait.ts';

/** How much passed, and the names of what did not. */
export type Count = { readonly passed: number; readonly failed: readonly string[] };

export function sumOf(counts: readonly Count[]): Count {
  return {
    passed: counts.reduce((sum, { passed }) => sum + passed, 0),
    failed: counts.flatMap(({ failed }) => failed),
  };
}

/** Says at the end of a long output what failed, and `N passed, N failed`; sets the exit status. */
export function closeRun({ passed, failed }: Count): void {
  console.log('');
  for (const name of failed) console.log(`failed: ${name}`);
  console.log(`${passed} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

/** The part of vitest's JSON report that counts. */
type Report = {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
};

/** Runs the tests of a vitest project, or those that vitest's arguments choose. */
export async function runTests(
  project: string,
  options: {
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly guard: AbortSignal;
  },
): Promise<Count> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-report-'));
  const file = join(directory, 'report.json');
  // Where tests are slow, each is told as it ends: who ends the machine wants to know how far they came.
  const reporter = slowness > 1 ? 'verbose' : 'default';
  const reporters = [`--reporter=${reporter}`, '--reporter=json', `--outputFile.json=${file}`];
  const args = ['run', '--project', project, ...reporters, ...(options.args ?? [])];
  const isGood = await succeeds(['vitest', ...args], options);
  const count = countTests(file);
  rmSync(directory, { recursive: true });
  // Whatever vitest failed for beside a test, such as an error in a setup, is one failure.
  return isGood || count.failed.length > 0 ? count : { ...count, failed: [`vitest of ${project}`] };
}

/** Whether a program ends well; its output is ours. It is ended when the guard is aborted. */
export async function succeeds(
  [file = '', ...args]: readonly string[],
  options: { readonly guard: AbortSignal; readonly env?: Readonly<Record<string, string>> },
): Promise<boolean> {
  const { failed } = await execa(file, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    cancelSignal: options.guard,
    forceKillAfterDelay: 20_000,
    reject: false,
    env: options.env ?? {},
  });
  return !failed;
}

/** What the script `name` counted, as its output ends when it is closed with `closeRun`. */
export function countIn(name: string, output: string, hasFailed: boolean): Count {
  const [, passed, failed] = /(\d+) passed, (\d+) failed\s*$/.exec(output) ?? [];
  // Without a last line it ended before it could count.
  if (passed === undefined) return { passed: 0, failed: [`${name}, before its end`] };
  const named = new Set(
    Array.from(output.matchAll(/^failed: (.+)$/gm), ([, which]) => which ?? ''),
  );
  if (named.size === 0 && (hasFailed || failed !== '0')) named.add(name);
  return { passed: Number(passed), failed: [...named] };
}

function countTests(file: string): Count {
  try {
    const report: Report = JSON.parse(readFileSync(file, 'utf8'));
    return { passed: report.numPassedTests, failed: report.testResults.flatMap(failuresIn) };
  } catch {
    return { passed: 0, failed: ['vitest, before it could report'] };
  }
}

/** A file may fail as a whole, as when it cannot be read. */
function failuresIn({ name, status, assertionResults }: Report['testResults'][number]): string[] {
  const file = relative('.', name);
  const failed = assertionResults.filter((assertion) => assertion.status === 'failed');
  if (failed.length === 0 && status === 'failed') return [file];
  return failed.map(({ fullName }) => `${file} > ${fullName}`);
}
