import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';
import { imageJson } from '#admin/image-json.ts';

export function listImages({ images }: AdminDeps, { response }: Exchange): void {
  sendJson(response, 200, { images: images.list().map(imageJson) });
}
