import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, requiredParameter, sendJson } from '#admin/exchange.ts';
import { imageJson } from '#admin/image-json.ts';

/** Removes an image with all of its names, as the CRI does, and tells which it was. */
export async function removeImage(
  { images }: AdminDeps,
  { query, response }: Exchange,
): Promise<void> {
  const image = images.get(requiredParameter(query, 'image'));
  await images.remove(image.id);
  sendJson(response, 200, { image: imageJson(image) });
}
