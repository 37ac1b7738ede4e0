import type { DaemonConfig } from './daemon-config.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { runProgram } from './run-program.ts';

type Wanted = {
  readonly name: string;
  /** What of Debian has it. */
  readonly package: string;
  readonly why: string;
  readonly isNeeded: boolean;
};

/** The programs that the configuration names, with their versions. */
export async function checkPrograms({ runtime, network }: DaemonConfig): Promise<Finding[]> {
  const handlers = Object.entries(runtime.handlers).map(([name, { path }]) => ({
    name: path,
    package: path.split('/').at(-1) ?? path,
    why: `runtime handler "${name}"`,
    isNeeded: name === runtime.default_handler,
  }));
  const others: readonly Wanted[] = [
    { name: runtime.monitor, package: 'conmon', why: 'the monitor', isNeeded: true },
    { name: network.nft, package: 'nftables', why: 'firewall rules', isNeeded: true },
    { name: runtime.init, package: 'catatonit', why: 'pods that share pids', isNeeded: false },
  ];
  return Promise.all([...handlers, ...others].map(programFinding));
}

async function programFinding({ name, package: from, why, isNeeded }: Wanted): Promise<Finding> {
  const check = `program: ${name}`;
  const { exitCode, stdout, stderr } = await runProgram(name, '--version');
  const [version = ''] = `${stdout}${stderr}`.trim().split('\n');
  if (exitCode === 0) return ok(check, `${version} (${why})`);
  const detail = exitCode === undefined ? `not on this node (${why})` : `${why}: ${version}`;
  return (isNeeded ? problem : warning)(check, detail, `apt-get install ${from}`);
}
