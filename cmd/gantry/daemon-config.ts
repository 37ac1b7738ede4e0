import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';
import type { Places } from './places.ts';
import { runProgram } from './run-program.ts';

/** The part of the daemon's configuration that is of interest here, as in force. */
export type DaemonConfig = {
  readonly root: string;
  readonly state: string;
  readonly cgroup_parent?: string;
  readonly image: { readonly certs_dirs: readonly string[] };
  readonly network: { readonly bridge: string; readonly nft: string };
  readonly runtime: {
    readonly monitor: string;
    readonly init: string;
    readonly default_handler: string;
    readonly handlers: Readonly<Record<string, { readonly path: string }>>;
  };
};

const launcher = fileURLToPath(new URL('../gantryd/gantryd', import.meta.url));

/** What `gantryd config check` says of the configuration that flags name, or why it refuses it. */
export async function checkedConfig({
  config,
  folders,
}: Places): Promise<{ readonly config: DaemonConfig } | { readonly refusal: string }> {
  const args = [
    ...(config === undefined ? [] : ['--config', config]),
    ...(folders === undefined ? [] : ['--root', folders.root, '--state', folders.state]),
  ];
  const { exitCode, stdout, stderr } = await runProgram(launcher, 'config', 'check', ...args);
  if (exitCode !== 0) return { refusal: stderr.trim() };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- printed by the daemon's own check
  return { config: parse(stdout) as unknown as DaemonConfig };
}
