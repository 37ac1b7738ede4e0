import * as v from 'valibot';

/** The part `metrics` of the configuration. */
export const metricsSchema = v.strictObject({
  /** Absent: the page is on the admin socket only. */
  listen: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^([\d.]+|\[[\da-f:]+\]):\d{1,5}$/i,
        'must be an address and a port, such as 127.0.0.1:9479',
      ),
    ),
  ),
});
