/** Runs the checks named as arguments, or all, goes on after failures, and counts what passed. */
import { execa } from 'execa';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

type Count = { readonly passed: number; readonly failed: number };

/** The part of vitest's JSON report that counts. */
type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
};

/** No check takes near this long; one that hangs must not hang the whole. */
const guard = AbortSignal.timeout(30 * 60_000);

const checks: Readonly<Record<string, () => Promise<Count>>> = {
  lint: async () => program('oxlint'),
  format: async () => program('oxfmt', '--check'),
  types: async () => program('tsc', '-p', '.'),
  unit: async () => tests('unit'),
  integration: async () => tests('integration'),
  conformance: async () => conformance('crun'),
  'conformance-runc': async () => conformance('runc'),
};

/** A program that succeeds or fails as one. */
async function program(file: string, ...args: readonly string[]): Promise<Count> {
  return (await succeeds(file, args)) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** The tests of one vitest project. */
async function tests(project: string): Promise<Count> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-report-'));
  const file = join(directory, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const isGood = await succeeds('vitest', ['run', '--project', project, ...reporters]);
  const count = countTests(file);
  rmSync(directory, { recursive: true });
  // Whatever vitest failed for beside a test, such as an error in a setup, is one failure.
  return isGood || count.failed > 0 ? count : { ...count, failed: 1 };
}

const inProject = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** critest on one runtime handler, where Go was there to build it. */
async function conformance(handler: string): Promise<Count> {
  if (!existsSync(inProject('.tools/bin/critest'))) {
    console.log('left out: critest is not built');
    return { passed: 0, failed: 0 };
  }
  const { stdout, failed } = await execa(inProject('hack/conformance'), ['--handler', handler], {
    stdout: ['inherit', 'pipe'],
    stderr: 'inherit',
    cancelSignal: guard,
    forceKillAfterDelay: 20_000,
    reject: false,
  });
  const [, passed, broken] = /(\d+) passed, (\d+) failed$/.exec(stdout ?? '') ?? [];
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

async function succeeds(file: string, args: readonly string[]): Promise<boolean> {
  const { failed } = await execa(file, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    cancelSignal: guard,
    forceKillAfterDelay: 20_000,
    reject: false,
  });
  return !failed;
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(checks);
const total = { passed: 0, failed: 0 };
for (const name of names) {
  const check = checks[name];
  if (check === undefined) throw new Error(`no check "${name}": ${Object.keys(checks).join(', ')}`);
  console.log(`\n== ${name}`);
  const { passed, failed } = await check();
  console.log(`${name}: ${passed} passed, ${failed} failed`);
  total.passed += passed;
  total.failed += failed;
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
