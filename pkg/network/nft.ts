import { Fault } from '#errors/fault.ts';
import { runProgram } from '#linux/program.ts';

/** The nft(8) program. Each ruleset is applied as one transaction: all of it, or nothing. */
export type Nft = {
  apply(rules: string): Promise<void>;
  /** Whether the kernel would take the rules. */
  check(rules: string): Promise<void>;
  /** The base chains, anybody's, that drop what they do not accept for forwarding. */
  forwardChainsThatDrop(): Promise<string[]>;
};

const timeoutMs = 10_000;

export function openNft(program: string): Nft {
  const run = async (act: string, args: readonly string[], input: string): Promise<void> => {
    try {
      await runProgram(program, [...args, '--file', '-'], { timeoutMs, input });
    } catch (cause) {
      throw new Fault('unavailable', `${act} nftables rules`, { cause });
    }
  };
  return {
    apply: (rules) => run('apply', [], rules),
    check: (rules) => run('check', ['--check'], rules),
    forwardChainsThatDrop: async () => {
      // Asked for the sake of a warning. A listing that fails, or is too long, goes without.
      const listing = await runProgram(program, ['list', 'chains'], { timeoutMs }).catch(() => '');
      return chainsThatDrop(listing);
    },
  };
}

/** Those in the output of `nft list chains`, as in `ip filter FORWARD`. */
export function chainsThatDrop(listing: string): string[] {
  const chains: string[] = [];
  let table = '';
  let chain = '';
  for (const line of listing.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain;
    if (/hook forward .*policy drop;/.test(line)) chains.push(`${table} ${chain}`);
  }
  return chains;
}
