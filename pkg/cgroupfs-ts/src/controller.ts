import type { CgroupMounts } from './mounts.ts';
import { plainReader, plainSyncReader, type SyncReader } from './reader.ts';
import { controllerDirectory } from './tree.ts';

type Place = { readonly version: 1 | 2; readonly directory: string };

/** The files of one controller in one cgroup. */
export type ControlFiles = Place & {
  readonly path: string;
  /** The text of a file; undefined when there is none, or the cgroup is gone. */
  read(file: string): Promise<string | undefined>;
  /** The names of the files. */
  list(): Promise<readonly string[]>;
};

/** Finds the files of a controller; undefined when no hierarchy has it. */
export type FindFiles = (controller: string) => ControlFiles | undefined;

/** The same, read at once. */
export type StatFiles = Place & {
  read(file: string): string | undefined;
  list(): readonly string[];
};
export type FindStatFiles = (controller: string) => StatFiles | undefined;

export function controlFiles(mounts: CgroupMounts, path: string): FindFiles {
  return (controller) => {
    const place = controllerDirectory(mounts, controller, path);
    return (
      place && {
        ...place,
        path,
        read: (file) => plainReader.read(`${place.directory}/${file}`),
        list: () => plainReader.list(place.directory),
      }
    );
  };
}

/** Looks each controller up once. */
export function statFiles(
  mounts: CgroupMounts,
  path: string,
  reader: SyncReader = plainSyncReader,
): FindStatFiles {
  const found = new Map<string, StatFiles | undefined>();
  const find: FindStatFiles = (controller) => {
    const place = controllerDirectory(mounts, controller, path);
    if (place === undefined) return undefined;
    const pathOf = pathsIn(place.directory);
    return {
      ...place,
      read: (file) => reader.read(pathOf(file)),
      list: () => reader.list(place.directory),
    };
  };
  return (controller) => {
    if (!found.has(controller)) found.set(controller, find(controller));
    return found.get(controller);
  };
}

/** Puts each path together once: a reader looks its files up by them, which takes longer for a new string. */
function pathsIn(directory: string): (file: string) => string {
  const known = new Map<string, string>();
  return (file) => {
    const path = known.get(file) ?? `${directory}/${file}`;
    known.set(file, path);
    return path;
  };
}
