import type { RemoveImageRequest, RemoveImageResponse } from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

export async function removeImage(
  { images }: ServerDeps,
  request: RemoveImageRequest,
): Promise<RemoveImageResponse> {
  await images.remove(required(required(request.image, 'image').image, 'image.image'));
  return {};
}
