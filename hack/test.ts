/** Runs the checks named as arguments, or all, goes on after failures, and counts what passed. */
import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { closeRun, type Count, countIn, runTests, succeeds, sumOf } from './test-count.ts';

/** No check takes near this long; one that hangs must not hang the whole. */
const guard = AbortSignal.timeout(55 * 60_000);

const checks: Readonly<Record<string, () => Promise<Count>>> = {
  lint: async () => program('oxlint'),
  format: async () => program('oxfmt', '--check'),
  types: async () => program('tsc', '-p', '.'),
  unit: async () => runTests('unit', { guard }),
  integration: async () => runTests('integration', { guard }),
  conformance: async () => conformance('crun'),
  'conformance-runc': async () => conformance('runc'),
  // Without the stage `systemd`, to stay below 20 minutes; the installed package uses that driver, too.
  vm: async () => script('hack/vm', 'test', 'cgroupfs', 'installed', 'rebooted'),
  'vm-conformance': async () =>
    script('hack/vm', 'run', '--', 'hack/conformance', '--focus', 'AppArmor', '--parallel', '1'),
};

/** A program that succeeds or fails as one. */
async function program(...command: readonly string[]): Promise<Count> {
  const isGood = await succeeds(command, { guard });
  return isGood ? { passed: 1, failed: [] } : { passed: 0, failed: [command.join(' ')] };
}

const inProject = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** critest on one runtime handler, where Go was there to build it. */
async function conformance(handler: string): Promise<Count> {
  if (existsSync(inProject('.tools/bin/critest'))) {
    return script('hack/conformance', '--handler', handler);
  }
  console.log('left out: critest is not built');
  return { passed: 0, failed: [] };
}

/** A script that counts by itself. */
async function script(path: string, ...args: readonly string[]): Promise<Count> {
  const { stdout, failed } = await execa(inProject(path), args, {
    stdout: ['inherit', 'pipe'],
    stderr: 'inherit',
    cancelSignal: guard,
    forceKillAfterDelay: 20_000,
    reject: false,
  });
  return countIn([path, ...args].join(' '), stdout ?? '', failed);
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(checks);
const counts: Count[] = [];
for (const name of names) {
  const check = checks[name];
  if (check === undefined) throw new Error(`no check "${name}": ${Object.keys(checks).join(', ')}`);
  console.log(`\n== ${name}`);
  const count = await check();
  console.log(`${name}: ${count.passed} passed, ${count.failed.length} failed`);
  counts.push(count);
}
closeRun(sumOf(counts));
