import { flagsOfAll } from './arguments.ts';
import type { Command, Invocation } from './command.ts';
import { commands } from './commands.ts';

/** Not for people: what may come in the place of the last operand, one candidate a line. */
export const complete: Command = {
  synopsis: 'WORD...',
  details: `For the scripts of gantry completion.
`,
  flags: {},
  operands: { min: 0, max: Number.POSITIVE_INFINITY, thenCommand: 0 },
  run: async (invocation) => {
    const found = await candidates(invocation);
    const current = invocation.operands.at(-1) ?? '';
    const fitting = new Set(found.filter((candidate) => candidate.startsWith(current)));
    process.stdout.write([...fitting].map((candidate) => `${candidate}\n`).join(''));
  },
};

async function candidates(invocation: Invocation): Promise<readonly string[]> {
  const before = invocation.operands.slice(0, -1).filter((word) => !word.startsWith('-'));
  const [one = '', two = ''] = before;
  const entry = commands.get(`${one} ${two}`) ?? commands.get(one);
  const seconds = wordsAfter(before.slice(0, 1));
  if (before.length === 0) return wordsAfter([]);
  if (before.length === 1 && seconds.length > 0) return seconds;
  if (entry === undefined) return [];
  const { flags, synopsis } = await entry.load();
  if (invocation.operands.at(-1)?.startsWith('-') === true) {
    return Object.keys({ ...flags, ...flagsOfAll }).map((name) => `--${name}`);
  }
  return [...(await namesFor(synopsis, invocation))];
}

/** The next words of the commands that begin with these. */
function wordsAfter(words: readonly string[]): string[] {
  return [...commands.keys()]
    .map((name) => name.split(' '))
    .filter((parts) => words.every((word, n) => parts[n] === word) && !parts[0]?.startsWith('_'))
    .map((parts) => parts[words.length] ?? '')
    .filter((word) => word !== '');
}

/** What the synopsis asks for: `CONTAINER|POD`. */
async function namesFor(synopsis: string, { node }: Invocation): Promise<string[]> {
  const names: string[] = [];
  if (/CONTAINER|POD/.test(synopsis)) {
    const pods = await node.pods();
    const wantsPods = synopsis.includes('POD');
    const wantsContainers = synopsis.includes('CONTAINER');
    for (const { namespace, name, containers } of pods) {
      if (wantsPods) names.push(name, `${namespace}/${name}`);
      if (!wantsContainers) continue;
      names.push(...containers.flatMap((it) => [`${name}/${it.name}`, it.name]));
    }
  }
  if (/\bIMAGE\b/.test(synopsis)) {
    const images = await node.images();
    names.push(...images.flatMap(({ repoTags }) => repoTags));
  }
  return names;
}
