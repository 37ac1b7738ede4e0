import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Place } from './place.ts';

const crictlPath = fileURLToPath(new URL('../../../.tools/bin/crictl', import.meta.url));

/** crictl is built by hack/setup where Go is installed. */
export const hasCrictl = existsSync(crictlPath);

/** The command line of `crictl <args>` against the daemon of `place`. */
export function crictlCommand(place: Place, ...args: readonly string[]): [string, string[]] {
  return [crictlPath, ['--config', place.crictlConfig, ...args]];
}

/** Runs `crictl <args>` against the daemon of `place`; throws, with what it said, if it fails. */
export async function crictl(place: Place, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execa(...crictlCommand(place, ...args));
  return stdout;
}
