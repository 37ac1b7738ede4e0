import type { Write } from './control-file.ts';
import type { ControlFiles } from './controller.ts';
import { refuse } from './plan.ts';

/** Texts for files of v2 by name, as in `memory.oom.group`: for controls that have no name here. */
export type UnifiedLimits = Readonly<Record<string, string>>;

/** `cgroup.*` is no limit: it moves, stops and kills processes. */
const controlFile = /^(?!cgroup\.)[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/;

export async function planUnified(files: ControlFiles, limits: UnifiedLimits): Promise<Write[]> {
  return Object.entries(limits).map(([file, value]) =>
    controlFile.test(file)
      ? { file, value }
      : refuse(files, { file, value }, 'not the name of a file of a controller'),
  );
}
