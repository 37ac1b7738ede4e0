import { describe } from '#errors/fault.ts';
import { ExitError, exitCodes, type Command, type Invocation } from './command.ts';
import { checkedConfig, type DaemonConfig } from './daemon-config.ts';
import { checkCgroups } from './doctor-cgroups.ts';
import { checkDaemon } from './doctor-daemon.ts';
import { checkKernel } from './doctor-kernel.ts';
import { checkLeaks } from './doctor-leaks.ts';
import { checkDatabase, checkDisk } from './doctor-node.ts';
import { checkPrograms } from './doctor-programs.ts';
import { checkRegistries } from './doctor-registries.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { printJson } from './output.ts';
import { isTerminal, type Style, styled } from './style.ts';
import { alignedLines, type Cell } from './table.ts';

export const doctor: Command = {
  synopsis: '[--registry HOST]...',
  details: `Checks the kernel's features, cgroups, capabilities, sysctls, programs and their versions, the disk,
the configuration, the daemon, registries, and what is left of pods that are gone. Where something
is wrong, the next line is a command that mends it or tells more. Changes nothing itself.

Ends with 1 when there is a problem, with 0 when there are warnings at the most.

Flags:
  --registry HOST      also ask this registry whether it answers
`,
  flags: { registry: { type: 'string', multiple: true } },
  operands: { min: 0, max: 0 },
  isLenient: true,
  run: async (invocation) => {
    const findings = await examine(invocation);
    if (invocation.isJson) printJson(findings);
    else print(findings);
    return findings.some(({ status }) => status === 'problem') ? exitCodes.failed : 0;
  },
};

async function examine(invocation: Invocation): Promise<Finding[]> {
  const { admin, places } = invocation;
  const checked = await checkedConfig(places);
  const config = 'config' in checked ? checked.config : undefined;
  const topics = [
    async () => checkKernel(),
    async () => checkCgroups(),
    async () => configFindings(checked),
    async () => (config === undefined ? [] : checkPrograms(config)),
    async () => (config === undefined ? [] : checkDisk(config)),
    async () => (config === undefined ? [] : checkDatabase(config)),
    async () => checkDaemon(admin),
    async () => leakFindings(invocation, config),
    async () => registryFindings(invocation, config),
  ];
  const findings = (await Promise.all(topics.map(finished))).flat();
  // Checks often cannot be made for the reason that another one tells.
  const problems = findings.filter(({ status }) => status === 'problem');
  const told = new Set(problems.map(({ detail }) => detail));
  return findings.filter(({ check, detail }) => check !== 'check' || !told.has(detail));
}

/** A check that cannot be made does not keep the others from being made. */
async function finished(topic: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await topic();
  } catch (error) {
    // checkDaemon() says that already.
    if (error instanceof ExitError && error.reason === 'unreachable') return [];
    return [warning('check', describe(error))];
  }
}

/** What came or went while we looked is no leak. */
async function leakFindings(
  { node }: Invocation,
  config: DaemonConfig | undefined,
): Promise<Finding[]> {
  const [before, folders] = [await node.pods(), await node.folders()];
  const found = checkLeaks(before, folders, config?.cgroup_parent);
  const after = (await node.pods()).flatMap((pod) => [pod, ...pod.containers]);
  const left = found.filter(({ detail }) => !after.some(({ id }) => detail.includes(id)));
  return left.length > 0 ? left : [ok('leaks', 'none')];
}

function configFindings(checked: Awaited<ReturnType<typeof checkedConfig>>): Finding[] {
  if ('config' in checked) return [ok('configuration', `root ${checked.config.root}`)];
  // What cannot be parsed is quoted with its place, in several lines.
  const refusal = checked.refusal.replaceAll(/\s*\n\s*/g, ' ');
  return [problem('configuration', refusal, 'gantryd config default')];
}

async function registryFindings(
  { node, options }: Invocation,
  config: DaemonConfig | undefined,
): Promise<Finding[]> {
  const images = await node.images();
  const references = images.flatMap(({ repoTags, repoDigests }) => [...repoTags, ...repoDigests]);
  const also = [options['registry'] ?? []].flat().map(String);
  return checkRegistries(references, { certsDirs: config?.image.certs_dirs ?? [], also });
}

const marks = {
  ok: { text: 'ok', style: 'green' },
  warning: { text: 'warning', style: 'yellow' },
  problem: { text: 'problem', style: 'red' },
} as const satisfies Record<Finding['status'], { readonly text: string; readonly style: Style }>;

function print(findings: readonly Finding[]): void {
  const rows = findings.map(({ check, status, detail }): Cell[] => [marks[status], check, detail]);
  if (!isTerminal()) {
    const lines = findings.map(({ status, check, detail, mend = '' }) =>
      [status, check, detail, mend].join('\t'),
    );
    process.stdout.write(`${lines.join('\n')}\n`);
    return;
  }
  const lines = alignedLines(rows).flatMap((line, n) => {
    const mend = findings[n]?.mend;
    return [line, ...(mend === undefined ? [] : [`          ${styled('cyan', `▸ ${mend}`)}`])];
  });
  process.stdout.write(`${lines.join('\n')}\n`);
}
