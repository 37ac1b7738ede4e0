import * as v from 'valibot';

/** Where operations are sent to. Without an endpoint they are only kept in memory. */
export const tracingSchema = v.strictObject({
  endpoint: v.optional(
    v.pipe(v.string(), v.check(isHttpUrl, 'must be a URL such as http://127.0.0.1:4318/v1/traces')),
  ),
  sampling: v.optional(
    v.pipe(v.number(), v.minValue(0), v.maxValue(1, 'must be between 0 and 1')),
    1,
  ),
});

export type TracingConfig = v.InferOutput<typeof tracingSchema>;

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
