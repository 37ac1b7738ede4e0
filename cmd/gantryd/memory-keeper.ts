import { trimMemory } from '#linux/libc.ts';
import { dropProgramPages } from '#linux/memory.ts';

const firstLookMs = 2_000;
const lookEveryMs = 5_000;
/** How much the daemon may grow before it is worth the milliseconds that giving back takes. */
const toleranceBytes = 8 * 1024 * 1024;
/** Of the time, the part that giving back may take: what grows again at once is not worth it. */
const dutyCycle = 1 / 1000;

/**
 * Keeps the resident memory at what is in use: what was touched at the start alone is given back soon
 * after it, and whenever the daemon has grown, as by a pull, so is what is not needed any more.
 */
export function keepMemorySmall(): Disposable {
  let inUse: number | undefined;
  let isTrimmed = false;
  let notBeforeMs = 0;
  const trim = async (): Promise<void> => {
    const before = process.cpuUsage();
    await giveBack();
    const { user, system } = process.cpuUsage(before);
    notBeforeMs = performance.now() + (user + system) / 1000 / dutyCycle;
  };
  const look = (): void => {
    if (performance.now() < notBeforeMs) return;
    const resident = process.memoryUsage.rss();
    // Some of what was given back comes again with the first work: that is in use.
    if (isTrimmed) inUse = resident;
    isTrimmed = inUse === undefined || resident > inUse + toleranceBytes;
    if (isTrimmed) void trim();
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

async function giveBack(): Promise<void> {
  // There with --expose-gc, as the launcher has it.
  await globalThis.gc?.({ type: 'major', execution: 'async' });
  await trimMemory();
  dropProgramPages();
}
