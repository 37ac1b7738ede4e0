import { Fault } from '#errors/fault.ts';

/** The value of a field that must be given. `field` is its path in the request, e.g. `config.metadata`. */
export function required<Value>(value: Value | null | undefined | '', field: string): Value {
  if (value !== null && value !== undefined && value !== '') return value;
  throw new Fault('invalid-argument', `${field} is missing`);
}

/** An absolute path, without `..`. */
export function absolutePath(value: string, field: string): string {
  if (value.startsWith('/') && !value.split('/').includes('..')) return value;
  throw new Fault('invalid-argument', `${field}: "${value}" is not an absolute path`);
}

/** The same for each. */
export function absolutePaths(values: readonly string[], field: string): readonly string[] {
  return values.map((value, index) => absolutePath(value, `${field}[${index}]`));
}

/** The name of a member of an enum that this server knows. */
export function enumMember<Name>(
  names: Readonly<Record<number, Name>>,
  value: number,
  field: string,
): Name {
  const name = names[value];
  if (name !== undefined) return name;
  throw new Fault('invalid-argument', `${field}: unknown value ${value}`);
}
