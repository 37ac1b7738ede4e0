/** What hack/vm-test.ts has tested in each of its machines. Runs in the machine: `node hack/vm-stages.js STAGE`. */
import { closeRun, type Count, runTests, sumOf } from './test-count.ts';

type Run = {
  readonly project: 'unit' | 'integration' | 'vm';
  readonly files: readonly string[];
};

type Stage = { readonly env: Readonly<Record<string, string>>; readonly runs: readonly Run[] };

const integration = (...names: readonly string[]): Run => ({
  project: 'integration',
  files: names.map((name) => `test/integration/${name}.test.ts`),
});
const vm = (...names: readonly string[]): Run => ({
  project: 'vm',
  files: names.map((name) => `test/vm/${name}.test.ts`),
});

const stages = {
  cgroupfs: {
    env: { GANTRY_TEST_CGROUP_DRIVER: 'cgroupfs' },
    runs: [
      { project: 'unit', files: ['kernel.test'] },
      vm('cgroup-v2', 'apparmor'),
      integration('pod', 'container', 'resources', 'security', 'user-namespace', 'restart', 'stop'),
    ],
  },
  systemd: {
    env: { GANTRY_TEST_CGROUP_DRIVER: 'systemd' },
    runs: [vm('cgroup-v2'), integration('systemd-cgroups')],
  },
  installed: { env: {}, runs: [vm('service'), vm('before-reboot')] },
  rebooted: { env: {}, runs: [vm('after-reboot')] },
} as const satisfies Record<string, Stage>;

export type StageName = keyof typeof stages;

export function isStage(name: string): name is StageName {
  return Object.hasOwn(stages, name);
}

export const stageNames = Object.keys(stages).filter(isStage);

async function run({ env, runs }: Stage): Promise<Count> {
  const guard = AbortSignal.timeout(60 * 60_000);
  const counts: Count[] = [];
  for (const { project, files } of runs) {
    // One file at a time: two at once take longer on a machine this slow.
    counts.push(await runTests(project, { args: ['--maxWorkers=1', ...files], env, guard }));
  }
  return sumOf(counts);
}

if (import.meta.main) {
  const [name = ''] = process.argv.slice(2);
  if (!isStage(name)) throw new Error(`stages are ${stageNames.join(', ')}`);
  closeRun(await run(stages[name]));
}
