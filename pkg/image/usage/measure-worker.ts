import { setPriority } from 'node:os';
import { type Caller, serve } from '#image/worker/serve.ts';
import { measure, type Measured, type MeasureRequest } from './measure.ts';

/** The thread that measures what containers have written. */

const calls = {
  measure: (request: MeasureRequest, { isGone }: Caller): Measured => {
    const { usedBytes, inodes } = measure(request, isGone);
    return { usedBytes, inodes };
  },
};
export type MeasureCalls = typeof calls;

// On Linux, of this thread alone.
setPriority(19);
serve(calls);
