import { execa } from 'execa';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Place } from './place.ts';

export const launcher = fileURLToPath(new URL('../../../cmd/gantry/gantry', import.meta.url));

type AdminPlace = Pick<Place, 'adminSocket'>;

export type Outcome = {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
};

/** Starts `gantry <args>` for the daemon of `place`; its streams can be read while it runs. */
export function startGantry(place: AdminPlace, ...args: readonly string[]) {
  return execa(launcher, args, { env: { GANTRY_ADDRESS: place.adminSocket }, reject: false });
}

/** Runs `gantry <args>` to its end, good or bad. */
export async function gantryOutcome(
  place: AdminPlace,
  ...args: readonly string[]
): Promise<Outcome> {
  const { exitCode, stdout, stderr } = await startGantry(place, ...args);
  return { exitCode, stdout, stderr };
}

/** Runs `gantry <args>`; throws, with what it said, if it fails. Returns its output. */
export async function gantry(place: AdminPlace, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await gantryOutcome(place, ...args);
  if (exitCode !== 0) throw new Error(`gantry ${args.join(' ')}: ${stderr}`);
  return stdout;
}

type Pulls = {
  readonly pulls: readonly {
    readonly reference: string;
    readonly outcome: { readonly kind: string; readonly code?: string };
  }[];
};

/** Asks the admin endpoint of `place` how far pulls are. */
export async function askAdmin({ adminSocket }: AdminPlace, path: '/v1/pulls'): Promise<Pulls> {
  const request = httpRequest({ socketPath: adminSocket, path }).end();
  const [response] = await once(request, 'response');
  return JSON.parse(await text(response));
}

/** Runs `skopeo <args>`; returns its output. Debian's has no policy of whose images to trust. */
export async function skopeo(...args: readonly string[]): Promise<string> {
  const { stdout } = await execa('skopeo', ['--insecure-policy', ...args]);
  return stdout;
}
