import * as v from 'valibot';
import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, readJson } from '#admin/exchange.ts';
import { imageJson } from '#admin/image-json.ts';
import { jsonLines } from '#admin/json-lines.ts';
import { ticking } from '#admin/ticks.ts';
import { formatReference, parseReference } from '#image/reference.ts';
import { annotate } from '#trace/span.ts';

const bodySchema = v.strictObject({
  image: v.string(),
  credentials: v.optional(v.strictObject({ username: v.string(), password: v.string() })),
});

/** Lines of `{ progress }`, then `{ image }` or `{ error }`. Ends with the connection. */
export async function pullImage(
  { images }: AdminDeps,
  { request, response, signal }: Exchange,
): Promise<void> {
  const { image, credentials } = await readJson(request, bodySchema);
  const reference = formatReference(parseReference(image));
  annotate({ image: reference });
  const lines = jsonLines(response);
  const tell = (): void => {
    const progress = images.pulls().findLast((pull) => pull.reference === reference);
    if (progress !== undefined) lines.tell({ progress });
  };
  using _ticking = ticking(tell);
  const options = credentials === undefined ? {} : { credentials };
  const pulled = await images.pull(image, options, signal);
  tell();
  lines.end({ image: imageJson(pulled) });
}
