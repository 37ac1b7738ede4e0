type Given<Value> = { readonly [Key in keyof Value]?: Exclude<Value[Key], undefined> };

/** The fields that have a value: what is absent must stay absent, for records are compared. */
export function given<Value extends object>(value: Value): Given<Value> {
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same fields with the same values
  return Object.fromEntries(entries) as Given<Value>;
}
