import type { ListImagesRequest, ListImagesResponse } from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';
import { imageMessage } from './image-message.ts';

export function listImages(
  { images }: ServerDeps,
  { filter }: ListImagesRequest,
): ListImagesResponse {
  const reference = filter?.image?.image ?? '';
  if (reference === '')
    return { images: images.list().map((image) => imageMessage(images, image)) };
  const image = images.find(reference);
  return { images: image === undefined ? [] : [imageMessage(images, image)] };
}
