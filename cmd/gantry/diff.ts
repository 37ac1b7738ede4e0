import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, ExitError } from './command.ts';
import { printJson } from './output.ts';
import { resolveContainer } from './resolve.ts';
import { printable, type Style, styled } from './style.ts';
import type { Change } from './upper-changes.ts';

export const diff: Command = {
  synopsis: 'CONTAINER',
  details: `What a container has changed in its image's files, a line each: A added, C changed, D deleted. Needs
image.snapshotter = "overlay"; what is in volumes is not told.
`,
  flags: {},
  operands: { min: 1, max: 1 },
  run: async ({ node, operands: [text = ''], isJson }) => {
    const { container } = resolveContainer(await node.pods(), text);
    const { state } = await node.folders();
    const { rootfsAt } = await import('./container-facts.ts');
    const rootfs = rootfsAt(join(state, 'containers', container.id, 'rootfs'));
    if (rootfs?.upper === undefined) {
      const why = rootfs === undefined ? 'not mounted' : `a ${rootfs.filesystem}, not an overlay`;
      throw new ExitError('failed', `the root filesystem of "${container.name}" is ${why}`);
    }
    const { upperChanges } = await import('./upper-changes.ts');
    const changes = upperChanges(rootfs.upper, lowersOf(rootfs.lowers));
    if (isJson) printJson(changes);
    else process.stdout.write(changes.map(lineOf).join(''));
  },
};

/** In pods with user namespaces the layers are mounted elsewhere for a moment only. */
function lowersOf(lowers: readonly string[]): readonly string[] {
  for (const lower of lowers) {
    try {
      readdirSync(lower);
    } catch (cause) {
      throw new ExitError('failed', `read the layer "${lower}"`, { cause });
    }
  }
  return lowers;
}

const letters = { added: 'A', changed: 'C', deleted: 'D' } as const;
const styles = {
  added: 'green',
  changed: 'yellow',
  deleted: 'red',
} as const satisfies Record<Change['kind'], Style>;

function lineOf({ kind, path }: Change): string {
  return `${styled(styles[kind], letters[kind])} ${printable(path)}\n`;
}
