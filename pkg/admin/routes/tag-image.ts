import * as v from 'valibot';
import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, readJson, sendJson } from '#admin/exchange.ts';
import { imageJson } from '#admin/image-json.ts';

const bodySchema = v.strictObject({ image: v.string(), tag: v.string() });

export async function tagImage(
  { images }: AdminDeps,
  { request, response }: Exchange,
): Promise<void> {
  const { image, tag } = await readJson(request, bodySchema);
  sendJson(response, 200, { image: imageJson(await images.tag(image, tag)) });
}
