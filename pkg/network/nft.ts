import { Fault } from '#errors/fault.ts';
import { protocolNumbers } from '#linux/netlink/conntrack.ts';
import { runProgram } from '#linux/program.ts';

/** The nft(8) program. Each ruleset is applied as one transaction: all of it, or nothing. */
export type Nft = {
  apply(rules: string): Promise<void>;
  /** Whether the kernel would take the rules. */
  check(rules: string): Promise<void>;
  /** The elements of all maps in an `inet` table, each with how many connections it has led. */
  listElements(table: string): Promise<CountedElement[]>;
  /** The base chains, anybody's, that drop what they do not accept for forwarding. */
  forwardChainsThatDrop(): Promise<string[]>;
};

/** An element of a map, in the words of nft: `tcp . 8080` leads to `10.88.0.2 . 80`. */
export type CountedElement = {
  readonly map: string;
  readonly key: string;
  readonly value: string;
  readonly connections: number;
};

const timeoutMs = 10_000;

/** `findProgram` is asked for each run: an operator may install what was missing. It throws when there is none. */
export function openNft(findProgram: () => string): Nft {
  const run = async (act: string, args: readonly string[], input: string): Promise<void> => {
    try {
      await runProgram(findProgram(), [...args, '--file', '-'], { timeoutMs, input });
    } catch (cause) {
      throw new Fault('unavailable', `${act} nftables rules`, { cause });
    }
  };
  // Asked for the sake of a warning. A listing that fails goes without.
  const list = async (...what: readonly string[]): Promise<string> => {
    try {
      return await runProgram(findProgram(), ['list', ...what], { timeoutMs });
    } catch {
      return '';
    }
  };
  return {
    apply: (rules) => run('apply', [], rules),
    check: (rules) => run('check', ['--check'], rules),
    listElements: async (table) => {
      const args = ['--json', '--numeric', 'list', 'table', 'inet', table];
      try {
        return elementsIn(await runProgram(findProgram(), args, { timeoutMs }));
      } catch (cause) {
        throw new Fault('unavailable', `list nftables table "${table}"`, { cause });
      }
    },
    forwardChainsThatDrop: async () => {
      const dropping: string[] = [];
      for (const { name, isDropping } of forwardChains(await list('chains'))) {
        if (isDropping || endsInRefusal(await list('chain', ...name.split(' ')))) {
          dropping.push(name);
        }
      }
      return dropping;
    },
  };
}

/** The base chains for forwarding in the output of `nft list chains`, by names as `ip filter FORWARD`. */
export function forwardChains(listing: string): { name: string; isDropping: boolean }[] {
  const chains: { name: string; isDropping: boolean }[] = [];
  let table = '';
  let chain = '';
  for (const line of listing.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain;
    if (!/ hook forward /.test(line)) continue;
    chains.push({ name: `${table} ${chain}`, isDropping: line.includes('policy drop;') });
  }
  return chains;
}

/** Whether the last rule of a chain, in the output of `nft list chain`, refuses all that comes to it. */
export function endsInRefusal(listing: string): boolean {
  const lines = listing.split('\n').map((line) => line.trim());
  const last = lines.findLast((line) => line !== '' && line !== '}') ?? '';
  return /^(?:counter packets \d+ bytes \d+ )?(?:drop|reject)\b/.test(last);
}

type Concat = { readonly concat: readonly (string | number)[] };
type JsonElement = readonly [
  (
    | { readonly elem: { readonly val: Concat; readonly counter?: { readonly packets: number } } }
    | Concat
  ),
  Concat,
];
type JsonListing = {
  readonly nftables: readonly {
    readonly map?: { readonly name: string; readonly elem?: readonly JsonElement[] };
  }[];
};

/** Those in the output of `nft --json list table`; see libnftables-json(5). */
export function elementsIn(listing: string): CountedElement[] {
  const { nftables }: JsonListing = JSON.parse(listing);
  return nftables.flatMap(({ map }) =>
    (map?.elem ?? []).map(([left, right]) => {
      const { val, counter } = 'elem' in left ? left.elem : { val: left, counter: undefined };
      return {
        map: map?.name ?? '',
        key: [protocolName(val.concat[0]), ...val.concat.slice(1)].join(' . '),
        value: right.concat.join(' . '),
        connections: counter?.packets ?? 0,
      };
    }),
  );
}

/** By number, for not every node has the names. */
function protocolName(number: number | string | undefined): string {
  const known = Object.entries(protocolNumbers).find(([, each]) => each === number);
  return known?.[0] ?? String(number);
}
