/** Tests of vitest that passed and failed. */
import { execa } from 'execa';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { slowness } from '#harness/wait.ts';

export type Count = { readonly passed: number; readonly failed: number };

/** The part of vitest's JSON report that counts. */
type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
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
  return isGood || count.failed > 0 ? count : { ...count, failed: 1 };
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

/** The count in the last line of what a script said, `N passed, N failed`. */
export function lastCount(output: string, failed: boolean): Count {
  const [, passed, broken] = /(\d+) passed, (\d+) failed\s*$/.exec(output) ?? [];
  // Without a last line it ended before it could count.
  if (passed === undefined || broken === undefined) return { passed: 0, failed: 1 };
  return { passed: Number(passed), failed: Math.max(Number(broken), failed ? 1 : 0) };
}

function countTests(file: string): Count {
  try {
    const report: Report = JSON.parse(readFileSync(file, 'utf8'));
    const brokenFiles = report.testResults.filter(
      (result) =>
        result.status === 'failed' &&
        !result.assertionResults.some((assertion) => assertion.status === 'failed'),
    );
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + brokenFiles.length,
    };
  } catch {
    // vitest ended before it could report.
    return { passed: 0, failed: 1 };
  }
}
