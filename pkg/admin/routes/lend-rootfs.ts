import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as v from 'valibot';
import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, readJson } from '#admin/exchange.ts';
import { jsonLines } from '#admin/json-lines.ts';
import type { Images } from '#image/images.ts';

const bodySchema = v.strictObject({ image: v.string() });

/** A root filesystem of an image's own, for a shell beside the containers. */
export type DebugRootfs = {
  /** To be mounted by the caller, where nobody else sees it. */
  readonly mount: Awaited<ReturnType<Images['prepareRootfs']>>;
  readonly env: readonly string[];
};

/** One line with the root filesystem, which is the caller's until it ends the connection. */
export async function lendRootfs(
  { images }: AdminDeps,
  { request, response, signal }: Exchange,
): Promise<void> {
  const image = images.get((await readJson(request, bodySchema)).image);
  // Of no container: the next start gives back what a killed daemon lent.
  const owner = `debug-${randomBytes(8).toString('hex')}`;
  try {
    const mount = await images.prepareRootfs(owner, image.id);
    const lent: DebugRootfs = { mount, env: image.config.env };
    jsonLines(response).tell(lent);
    if (!signal.aborted) await once(signal, 'abort');
    response.end();
  } finally {
    await images.releaseRootfs(owner);
  }
}
