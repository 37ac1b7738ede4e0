import type { Write } from './control-file.ts';
import type { ControlFiles } from './controller.ts';
import { CgroupError } from './error.ts';
import type { Amount } from './format.ts';

/** A number for a control file, with what the kernel takes: by default any number that is not negative. */
export type Wish = {
  readonly file: string;
  readonly value: Amount | undefined;
  readonly min?: number;
  readonly max?: number;
  /** How to say "no limit"; by default -1 in v1, and `max` in v2. */
  readonly unlimited?: string;
};

/**
 * The write that fulfils a wish; none when the value is not given. Throws a CgroupError for a value
 * out of bounds, which the kernel would refuse without a word, or change.
 */
export function fulfil(files: ControlFiles, wish: Wish): Write[] {
  const { file, value, min = 0, max = Number.MAX_SAFE_INTEGER } = wish;
  if (value === undefined) return [];
  const unlimited = wish.unlimited ?? (files.version === 1 ? '-1' : 'max');
  if (value === 'max') return [{ file, value: unlimited }];
  if (Number.isSafeInteger(value) && value >= min && value <= max) {
    return [{ file, value: String(value) }];
  }
  const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return refuse(files, { file, value: String(value) }, `not an integer ${bounds}`);
}

/** Refuses to write. */
export function refuse({ path }: ControlFiles, write: Write, reason: string): never {
  throw new CgroupError('limit', path, { ...write, reason });
}
