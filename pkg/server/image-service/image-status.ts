import type { ImageStatusRequest, ImageStatusResponse } from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';
import { imageMessage } from './image-message.ts';
import { imageSpec } from './image-spec.ts';

/** An image that is not there is an answer without an image, not an error. */
export function imageStatus(
  { images }: ServerDeps,
  request: ImageStatusRequest,
): Partial<ImageStatusResponse> {
  const image = images.find(required(required(request.image, 'image').image, 'image.image'));
  if (image === undefined) return {};
  const info = { chainID: image.chainIds.at(-1), imageSpec: imageSpec(image.config) };
  return {
    image: imageMessage(images, image),
    info: request.verbose ? { info: JSON.stringify(info) } : {},
  };
}
