import { BaseServerInterceptingCall } from '@grpc/grpc-js/build/src/server-interceptors.js';

/** Timers, and grpc-js's sums, are of 31 bits: 24 days. */
const maxTimerMs = 2 ** 31 - 1;
const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

/**
 * Has the server pass over deadlines that grpc-js 1.14 takes for ones in the past, for they do not fit into
 * its numbers. kubelet sets one of a month when it stops a container that has a month to stop; told that
 * it has passed, it would go on to kill the pod. Its client keeps the deadline by itself.
 */
export function passOverFarDeadlines(): void {
  const name = 'handleTimeoutHeader';
  const call = BaseServerInterceptingCall.prototype;
  const usual: (this: object, header: string) => void = Reflect.get(call, name);
  Reflect.set(call, name, function heed(this: object, header: string): void {
    if (!isFar(header)) usual.call(this, header);
  });
}

/** In the form of gRPC over HTTP/2: at most eight digits, and a unit. */
function isFar(timeout: string): boolean {
  return Number.parseInt(timeout, 10) * (unitMs[timeout.at(-1) ?? ''] ?? 1) > maxTimerMs;
}
