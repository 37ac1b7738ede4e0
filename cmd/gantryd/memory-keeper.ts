import { trimMemory } from '#linux/libc.ts';
import { dropProgramPages } from '#linux/memory.ts';

const firstLookMs = 2_000;
const lookEveryMs = 5_000;
/** How much the daemon may grow before it is worth the milliseconds that giving back takes. */
const toleranceBytes = 8 * 1024 * 1024;
/** What grows again as soon as it is given back, as by answers to regular calls, is so less and less often. */
const longestPauseMs = 300_000;
const quietMs = 60_000;

/**
 * Keeps the resident memory at what is in use: what was touched at the start alone is given back soon
 * after it, and whenever the daemon has grown, as by a pull, so is what is not needed any more.
 */
export function keepMemorySmall(): Disposable {
  let inUse: number | undefined;
  let isTrimmed = false;
  let trimmedAtMs = Number.NEGATIVE_INFINITY;
  let pauseMs = 0;
  const trim = (): void => {
    const sinceMs = performance.now() - trimmedAtMs;
    const isRegular = sinceMs < pauseMs + quietMs;
    pauseMs = isRegular ? Math.min(pauseMs * 2 || lookEveryMs, longestPauseMs) : 0;
    trimmedAtMs = performance.now();
    void giveBack();
  };
  const look = (): void => {
    if (performance.now() < trimmedAtMs + pauseMs) return;
    const resident = residentBytes();
    if (resident === undefined) return;
    // Some of what was given back comes again with the first work: that is in use.
    if (isTrimmed) inUse = resident;
    isTrimmed = inUse === undefined || resident > inUse + toleranceBytes;
    if (isTrimmed) trim();
  };
  const first = setTimeout(look, firstLookMs).unref();
  const later = setInterval(look, lookEveryMs).unref();
  return {
    [Symbol.dispose]: () => {
      clearTimeout(first);
      clearInterval(later);
    },
  };
}

/** Undefined when the kernel does not say, as to a process that has too many files open. */
function residentBytes(): number | undefined {
  try {
    return process.memoryUsage.rss();
  } catch {
    return undefined;
  }
}

async function giveBack(): Promise<void> {
  // There with --expose-gc, as the launcher has it.
  await globalThis.gc?.({ type: 'major', execution: 'async' });
  await trimMemory();
  try {
    dropProgramPages();
  } catch {
    // They stay until the next time.
  }
}
