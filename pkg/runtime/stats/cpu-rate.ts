/** Processor time used until a moment of a clock that only goes forward. */
type Sample = { readonly atMs: number; readonly usageUs: number };

/** Of less there is no telling: the kernel accounts in ticks. */
const minWindowMs = 1000;
/** How often kubelet asks; a little less, as no two askings are quite as far apart. */
const usualWindowMs = 9500;
const maxWindowMs = 120_000;

/**
 * How much processor time something uses now: the average over about the last 10 seconds, whoever asks
 * how often. It looks at what it is shown only, so that what nobody asks for costs nothing.
 */
export class CpuRate {
  /** Oldest first, at least a second apart. */
  readonly #samples: Sample[] = [];

  /** Takes note of the usage and returns billionths of a processor; undefined while they are unknown. */
  next(sample: Sample): number | undefined {
    const samples = this.#samples;
    // The counter is another one now.
    if ((samples.at(-1)?.usageUs ?? 0) > sample.usageUs) samples.length = 0;
    while (samples[0] !== undefined && sample.atMs - samples[0].atMs > maxWindowMs) samples.shift();
    const base = this.#baseFor(sample);
    this.#keep(sample);
    if (base === undefined) return undefined;
    const usedUs = sample.usageUs - base.usageUs;
    return Math.round((usedUs * 1e6) / (sample.atMs - base.atMs));
  }

  /** The latest one that is old enough, else the oldest one that tells anything. */
  #baseFor({ atMs }: Sample): Sample | undefined {
    const isOlder = (than: number) => (sample: Sample) => atMs - sample.atMs >= than;
    return (
      this.#samples.findLast(isOlder(usualWindowMs)) ?? this.#samples.find(isOlder(minWindowMs))
    );
  }

  #keep(sample: Sample): void {
    const latest = this.#samples.at(-1);
    if (latest !== undefined && sample.atMs - latest.atMs < minWindowMs) return;
    this.#samples.push(sample);
    // Those before the latest that is old enough serve nobody any more.
    const needed = this.#samples.findLastIndex(({ atMs }) => sample.atMs - atMs >= usualWindowMs);
    if (needed > 0) this.#samples.splice(0, needed);
  }
}
