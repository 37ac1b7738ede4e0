import type { Write } from './control-file.ts';
import type { ControlFiles, FindStatFiles } from './controller.ts';
import { fulfil } from './plan.ts';
import { type Amount, limitIn, toAmount, toFlat, toNumber, unlessEmpty } from './format.ts';

/** How many processes and threads there may be. */
export type PidsLimits = { readonly max?: Amount | undefined };

export type PidsStats = {
  /** Processes and threads. */
  readonly current: number | undefined;
  /** Undefined also when there is no limit. */
  readonly limit: number | undefined;
  readonly peak: number | undefined;
  /** How often a fork failed because of the limit. */
  readonly limitHits: number | undefined;
};

export async function planPids(files: ControlFiles, { max }: PidsLimits): Promise<Write[]> {
  return fulfil(files, { file: 'pids.max', value: max, unlimited: 'max' });
}

export async function readPidsLimits(files: ControlFiles): Promise<PidsLimits> {
  return { max: toAmount(await files.read('pids.max')) };
}

export function pidsStats(find: FindStatFiles): PidsStats | undefined {
  const files = find('pids');
  return unlessEmpty({
    current: toNumber(files?.read('pids.current')),
    limit: limitIn(files?.read('pids.max')),
    peak: toNumber(files?.read('pids.peak')),
    limitHits: toFlat(files?.read('pids.events')).get('max'),
  });
}
