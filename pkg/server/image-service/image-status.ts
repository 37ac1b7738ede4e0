import type { ImageStatusRequest, ImageStatusResponse } from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';
import { imageMessage } from './image-message.ts';

/** An image that is not there is an answer without an image, not an error. */
export function imageStatus(
  { images }: ServerDeps,
  request: ImageStatusRequest,
): Partial<ImageStatusResponse> {
  const image = images.find(required(required(request.image, 'image').image, 'image.image'));
  if (image === undefined) return {};
  const info = { chainIds: image.chainIds, imageSpec: { config: image.config } };
  return {
    image: imageMessage(images, image),
    info: request.verbose ? { info: JSON.stringify(info) } : {},
  };
}
