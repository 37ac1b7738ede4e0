import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';
import { imageJson } from '#admin/image-json.ts';

/** The body is an archive; `name` is for its image. */
export async function importImages(
  { images }: AdminDeps,
  { request, query, response, signal }: Exchange,
): Promise<void> {
  const name = query.get('name') ?? undefined;
  // The connection must outlive a refused archive, for the answer.
  const bytes = request.iterator({ destroyOnReturn: false });
  const imported = await images.import(bytes, { name }, signal);
  sendJson(response, 200, { images: imported.map(imageJson) });
}
