/**
 * Tests in the machine of hack/vm, stage by stage, each in a machine of its own: `hack/vm test [STAGE...]`.
 * Its last line is `N passed, N failed`.
 */
import { execa } from 'execa';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { untilInterrupted } from '#harness/interruption.ts';
import { closeRun, type Count, countIn, sumOf } from './test-count.ts';
import { isStage, type StageName, stageNames } from './vm-stages.ts';

const hack = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const interrupted = untilInterrupted();

/** More than a stage takes on a machine that has nothing else to do. */
const limitMinutes = '30';

type Place = { readonly disk: string; readonly package: string };

/** Each stage's options for hack/vm: the reboot is from one machine to the next with the same disk. */
const options: Readonly<Record<StageName, (place: Place) => readonly string[]>> = {
  cgroupfs: () => [],
  systemd: () => [],
  installed: (place) => ['--disk', place.disk, '--add', place.package],
  rebooted: (place) => ['--disk', place.disk],
};

async function runStage(stage: StageName, place: Place): Promise<Count> {
  console.log(`\n== ${stage}`);
  const begun = performance.now();
  const run = ['run', '--limit', limitMinutes, ...options[stage](place)];
  const { stdout, failed } = await execa(
    hack('vm'),
    [...run, '--', 'node', 'hack/vm-stages.js', stage],
    {
      stdin: 'ignore',
      stdout: ['inherit', 'pipe'],
      stderr: 'inherit',
      cancelSignal: interrupted,
      reject: false,
    },
  );
  const count = countIn(`stage ${stage}`, stdout, failed);
  const minutes = ((performance.now() - begun) / 60_000).toFixed(1);
  console.log(
    `${stage}: ${count.passed} passed, ${count.failed.length} failed in ${minutes} minutes`,
  );
  return count;
}

async function makePackage(folder: string): Promise<string> {
  const made = await execa(hack('package'), ['--fast', '--output', folder], { stderr: 'inherit' });
  return made.stdout.split('\n').at(-1) ?? '';
}

async function test(stages: readonly StageName[]): Promise<Count> {
  // Not below /tmp, which may be in memory.
  const folder = await mkdtemp('/var/tmp/gantry-vm-');
  try {
    const needsPackage = stages.includes('installed');
    const place = {
      disk: join(folder, 'disk.img'),
      package: needsPackage ? await makePackage(folder) : '',
    };
    const counts: Count[] = [];
    for (const stage of stages) counts.push(await runStage(stage, place));
    return sumOf(counts);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const names = process.argv.slice(2);
const stages = names.length === 0 ? stageNames : names.filter(isStage);
if (names.length > 0 && stages.length < names.length) {
  throw new Error(`stages are ${stageNames.join(', ')}`);
}
closeRun(await test(stages));
