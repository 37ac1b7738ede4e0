/** What TypeScript does not know of yet (proposal-json-parse-with-source). */
type Context = { readonly source?: string };
const rawJson: (text: string) => unknown = Reflect.get(JSON, 'rawJSON');

/** As JSON.parse, but integers that a number cannot hold, such as limits of 64 bits, become bigints. */
export function parseExact<Value>(text: string): Value {
  return JSON.parse(text, (_key, value: unknown, context?: Context) => {
    const isInexact = typeof value === 'number' && !Number.isSafeInteger(value);
    return isInexact && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context?.source ?? 0)
      : value;
  });
}

/** As JSON.stringify, with bigints as numbers. */
export function stringifyExact(value: object): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === 'bigint' ? rawJson(String(field)) : field,
  );
}
