import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { PodView } from '#admin/pod-json.ts';
import type { Folders } from './places.ts';

/** What a pod's containers share, from the node's side. */
export type PodFacts = {
  readonly pod: PodView;
  readonly folder: string;
  /** Those that the pod has for itself, by kind, with their inodes; `pinned` is the file that keeps one. */
  readonly namespaces: readonly {
    readonly type: string;
    readonly inode: number;
    readonly pinned: string;
  }[];
};

export function podFacts(pod: PodView, { state }: Folders): PodFacts {
  const folder = join(state, 'sandboxes', pod.id);
  const namespaces = ['net', 'ipc', 'uts', 'pid', 'user'].flatMap((type) => {
    const pinned = join(folder, type);
    const inode = statSync(pinned, { throwIfNoEntry: false })?.ino;
    return inode === undefined ? [] : [{ type, inode, pinned }];
  });
  return { pod, folder, namespaces };
}
