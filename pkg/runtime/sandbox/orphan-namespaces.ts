import { basename, dirname, join } from 'node:path';
import { mountPointsUnder } from '#linux/mount.ts';
import { removeNamespace } from '#linux/namespace.ts';
import type { Engine } from '#runtime/engine.ts';

/** The files at which network namespaces of pods are pinned that are no more. */
export function orphanNamespaces({ layout, sandboxes }: Engine): string[] {
  const known = new Set<string>(sandboxes.all().map(({ id }) => id));
  return mountPointsUnder(join(layout.state, 'sandboxes')).filter(
    (path) => basename(path) === 'net' && !known.has(basename(dirname(path))),
  );
}

/** Lets go of one; the kernel ends it when nobody is in it. */
export function removeOrphanNamespace({ thread }: Engine, path: string): Promise<void> {
  return removeNamespace(thread, path);
}
