/** Since 1970; the nanoseconds count forward, also before (timespec(3)). */
export type Time = { readonly seconds: bigint; readonly nanoseconds: bigint };

const nanosecondsPerSecond = 1_000_000_000n;

export function timeFrom(nanoseconds: bigint): Time {
  const part = ((nanoseconds % nanosecondsPerSecond) + nanosecondsPerSecond) % nanosecondsPerSecond;
  return { seconds: (nanoseconds - part) / nanosecondsPerSecond, nanoseconds: part };
}

/** Reads decimal seconds; what is finer than a nanosecond is cut off. */
export function parseTime(text: string): Time | undefined {
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const nanoseconds = BigInt(whole + fraction.padEnd(9, '0').slice(0, 9));
  return timeFrom(sign === '-' ? -nanoseconds : nanoseconds);
}
