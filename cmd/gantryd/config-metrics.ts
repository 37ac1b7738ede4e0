import * as v from 'valibot';
import { listenAddress } from './config-listen.ts';

/** The part `metrics` of the configuration. */
export const metricsSchema = v.strictObject({
  /** Absent: the page is on the admin socket only. */
  listen: v.optional(listenAddress),
});
