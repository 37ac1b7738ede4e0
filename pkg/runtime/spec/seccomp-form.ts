import {
  type LinuxSeccomp,
  type LinuxSeccompArg,
  type LinuxSyscall,
  seccompActions,
  seccompOperators,
} from '#api/oci/runtime.ts';
import { Fault } from '#errors/fault.ts';

/** What the JSON value at `field` says, or a Fault that names the field. */
type Parser<Value> = (value: unknown, field: string) => Value;

type Parsers<Shape> = { readonly [Name in keyof Shape]: Parser<Shape[Name]> };

const parseArg: Parser<LinuxSeccompArg> = shape(
  { index: parseUint, value: parseUint, op: oneOf(seccompOperators) },
  { valueTwo: parseUint },
);

const parseUnconditional: Parser<LinuxSyscall> = shape(
  { names: listOf(parseText), action: oneOf(seccompActions) },
  { errnoRet: parseUint, args: listOf(parseArg) },
);

const parseProfile: Parser<LinuxSeccomp> = shape(
  { defaultAction: oneOf(seccompActions) },
  {
    defaultErrnoRet: parseUint,
    architectures: listOf(parseText),
    flags: listOf(parseText),
    listenerPath: parseText,
    listenerMetadata: parseText,
    syscalls: listOf(parseSyscall),
  },
);

/**
 * A parsed JSON document as a profile of the form in config-linux.md#seccomp. Properties that the
 * form has not got are passed over, as config.md#extensibility asks, and null counts as absent.
 * Which system calls, architectures and flags there are is for the OCI runtime to say.
 */
export function parseSeccomp(document: unknown): LinuxSeccomp {
  return parseProfile(document, '');
}

/** Docker has rules for some machines or capabilities alone; here such a rule would always hold. */
function parseSyscall(value: unknown, field: string): LinuxSyscall {
  const source = parseObject(value, field);
  for (const condition of ['includes', 'excludes']) {
    const isEmpty = Object.keys(source[condition] ?? {}).length === 0;
    if (!isEmpty) refuse(join(field, condition), 'is a condition, which OCI profiles have not got');
  }
  return parseUnconditional(value, field);
}

function shape<Required, Optional>(
  required: Parsers<Required>,
  optional: Parsers<Optional>,
): Parser<Required & Partial<Optional>> {
  const parsers = Object.entries<Parser<unknown>>({ ...required, ...optional });
  return (value, field) => {
    const source = parseObject(value, field);
    const fields = parsers
      .filter(([name]) => name in required || !isAbsent(source[name]))
      .map(([name, parse]) => [name, parse(source[name], join(field, name))]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every field is parsed
    return Object.fromEntries(fields) as Required & Partial<Optional>;
  };
}

function listOf<Item>(parse: Parser<Item>): Parser<Item[]> {
  return (value, field) =>
    Array.isArray(value)
      ? value.map((item: unknown, index) => parse(item, `${field}[${index}]`))
      : refuse(field, 'is not a list');
}

function oneOf<Word extends string>(words: readonly Word[]): Parser<Word> {
  return (value, field) =>
    words.find((word) => word === value) ?? refuse(field, `is none of ${words.join(', ')}`);
}

function parseText(value: unknown, field: string): string {
  return typeof value === 'string' ? value : refuse(field, 'is not a string');
}

/** Above 2^53 a number would have lost digits on its way through JSON. */
function parseUint(value: unknown, field: string): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? value
    : refuse(field, 'is not a whole number from 0 to 2^53 - 1');
}

function parseObject(value: unknown, field: string): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? { ...value }
    : refuse(field, 'is not an object');
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function join(field: string, name: string): string {
  return field === '' ? name : `${field}.${name}`;
}

function refuse(field: string, why: string): never {
  throw new Fault('invalid-argument', `${field === '' ? 'the document' : field} ${why}`);
}
