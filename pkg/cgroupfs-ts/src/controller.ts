import type { CgroupMounts } from './mounts.ts';
import { plainReader, type Reader } from './reader.ts';
import { controllerDirectory } from './tree.ts';

/** The files of one controller in one cgroup. */
export type ControlFiles = {
  readonly version: 1 | 2;
  readonly path: string;
  readonly directory: string;
  /** The text of a file; undefined when there is none, or the cgroup is gone. */
  read(file: string): Promise<string | undefined>;
  /** The names of the files. */
  list(): Promise<readonly string[]>;
};

/** Finds the files of a controller; undefined when no hierarchy has it. */
export type FindFiles = (controller: string) => ControlFiles | undefined;

export function controlFiles(
  mounts: CgroupMounts,
  path: string,
  reader: Reader = plainReader,
): FindFiles {
  return (controller) => {
    const place = controllerDirectory(mounts, controller, path);
    return (
      place && {
        ...place,
        path,
        read: (file) => reader.read(`${place.directory}/${file}`),
        list: () => reader.list(place.directory),
      }
    );
  };
}
