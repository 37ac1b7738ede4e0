import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DebugRootfs } from '#admin/routes/lend-rootfs.ts';
import type { AdminClient } from './admin-client.ts';
import { type Command, ExitError } from './command.ts';
import type { RootfsFact } from './container-facts.ts';
import { printJson } from './output.ts';
import { resolveContainer } from './resolve.ts';
import { printable, type Style, styled } from './style.ts';
import type { Change } from './upper-changes.ts';

export const diff: Command = {
  synopsis: 'CONTAINER',
  details: `What a container has changed in its image's files, a line each: A added, C changed, D deleted. What
is in volumes is not told. Where snapshots are copies (native, btrfs), files are compared with those
of the image by size, owner, mode and time, and the daemon must be up.
`,
  flags: {},
  operands: { min: 1, max: 1 },
  run: async ({ admin, node, operands: [text = ''], isJson }) => {
    const { container } = resolveContainer(await node.pods(), text);
    const { state } = await node.folders();
    const { rootfsAt } = await import('./container-facts.ts');
    const rootfs = rootfsAt(join(state, 'containers', container.id, 'rootfs'));
    if (rootfs === undefined) {
      throw new ExitError('failed', `the root filesystem of "${container.name}" is not mounted`);
    }
    const { lowers } = rootfs;
    // In pods with user namespaces the layers were mounted for a moment, elsewhere.
    const changes =
      rootfs.upper !== undefined && lowers.every((lower) => existsSync(lower))
        ? await changesOver(lowers, rootfs)
        : await withLayers({ admin, image: container.image.id }, (layers) =>
            changesOver(layers, rootfs),
          );
    if (isJson) printJson(changes);
    else process.stdout.write(changes.map(lineOf).join(''));
  },
};

/** What a container has otherwise than these layers: by its upper directory, or by all of its files. */
async function changesOver(
  layers: readonly string[],
  { upper, path }: RootfsFact,
): Promise<Change[]> {
  if (upper !== undefined) return (await import('./upper-changes.ts')).upperChanges(upper, layers);
  return (await import('./tree-changes.ts')).treeChanges(path, layers);
}

type Source = { readonly admin: AdminClient; readonly image: string };

/** Works with the layers of an image, which the daemon lends for the moment. */
async function withLayers<Result>(
  { admin, image }: Source,
  work: (layers: readonly string[]) => Promise<Result>,
): Promise<Result> {
  const request = { method: 'POST', path: '/v1/debug/rootfs', body: { image } } as const;
  const lending = admin.lines<DebugRootfs>(request);
  const { value: lent } = await lending.next();
  if (lent === undefined) throw new ExitError('failed', 'gantryd has lent no root filesystem');
  try {
    return await work(layersOf(lent));
  } finally {
    await lending.return();
  }
}

/** The layers of an overlay, the topmost first, or the one directory of another kind. */
function layersOf({ mount: { source, options } }: DebugRootfs): readonly string[] {
  const lowers = options.find((option) => option.startsWith('lowerdir='));
  return lowers?.slice('lowerdir='.length).split(':') ?? [source];
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
