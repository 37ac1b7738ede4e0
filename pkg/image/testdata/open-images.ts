import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Images, type ImagesOptions, openImages } from '#image/images.ts';
import { createLog } from '#log/log.ts';
import { openDatabase } from '#store/database.ts';

export type TestImages = AsyncDisposable & {
  readonly root: string;
  readonly images: Images;
  /** What was logged, one object a line. */
  readonly logged: string[];
  close(): Promise<void>;
  /** Closes and opens them again, as a restart of the daemon does. */
  restart(): Promise<TestImages>;
};

/** Soon through with a registry that is in trouble. */
const impatient = { certsDirs: [], registryPatience: { pausesMs: [1, 1], maxRetryAfterMs: 1000 } };

/** Images in a new directory, or in `root`, which goes with them unless they are restarted. */
export async function openTestImages(options: Partial<ImagesOptions> = {}): Promise<TestImages> {
  const root = options.root ?? mkdtempSync(join(tmpdir(), 'gantry-images-'));
  const logged: string[] = [];
  const database = openDatabase(join(root, 'gantry.db'));
  const log = createLog('warn', (line) => logged.push(line));
  const images = await openImages({ ...impatient, database, log, ...options, root });
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await images.close();
    if (isOpen) database.close();
    isOpen = false;
  };
  return {
    root,
    images,
    logged,
    close,
    restart: async () => {
      await close();
      return openTestImages({ ...options, root });
    },
    [Symbol.asyncDispose]: async () => {
      await close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
