/** A limit in the unit of its name, or `max` for none. */
export type Amount = number | 'max';

/** v1 writes "no limit" as the largest number of whole pages below 2^63. No machine has as much as this. */
const legacyUnlimited = 2 ** 62;

/** A file of one number; undefined when there is no such file. */
export function toNumber(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return trimmed === '' ? undefined : Number(trimmed);
}

/** A file of one limit. "None" is `max` in v2, and -1 or a huge number in v1. */
export function toAmount(text: string | undefined): Amount | undefined {
  if (text?.trim() === 'max') return 'max';
  const number = toNumber(text);
  if (number === undefined) return undefined;
  return number < 0 || number >= legacyUnlimited ? 'max' : number;
}

/** A limit as something to compare and to calculate with: none is Infinity. */
export function comparable(amount: Amount): number {
  return amount === 'max' ? Number.POSITIVE_INFINITY : amount;
}

/** A limit for statistics, where none is undefined. */
export function limitIn(text: string | undefined): number | undefined {
  const amount = toAmount(text);
  return amount === 'max' ? undefined : amount;
}

/**
 * A flat keyed file: `key value` in each line (cgroup-v2.rst, "Interface Files"). Only what is asked
 * for is taken out of it: such files have some 50 lines, and are read often.
 */
export function toFlat(text = ''): { get(key: string): number | undefined } {
  return {
    get: (key) => {
      const start = text.startsWith(`${key} `) ? 0 : text.indexOf(`\n${key} `) + 1;
      if (start === 0 && !text.startsWith(`${key} `)) return undefined;
      const end = text.indexOf('\n', start);
      return Number(text.slice(start + key.length + 1, end === -1 ? undefined : end));
    },
  };
}

/** A nested keyed file: `key name=value name=value` in each line (the same section). */
export function toNested(
  text: string | undefined,
): { readonly key: string; readonly values: ReadonlyMap<string, string> }[] {
  return linesOf(text).map((line) => {
    const [key = '', ...pairs] = line.split(' ');
    const values = pairs.map((pair) => pair.split('='));
    return { key, values: new Map(values.map(([name = '', value = '']) => [name, value])) };
  });
}

export function linesOf(text: string | undefined): string[] {
  return (text ?? '').split('\n').filter((line) => line !== '');
}

/** The object; undefined when nothing in it is defined. */
export function unlessEmpty<Fields extends object>(fields: Fields): Fields | undefined {
  return Object.values(fields).some((value) => value !== undefined) ? fields : undefined;
}

/** The number of a device, as in `8:0`. */
export function deviceOf(text: string): { readonly major: number; readonly minor: number } {
  const [major, minor] = text.split(':').map(Number);
  return { major: major ?? 0, minor: minor ?? 0 };
}
