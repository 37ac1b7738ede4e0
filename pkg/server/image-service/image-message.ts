import type { Image as ImageMessage } from '#api/cri/v1/types.ts';
import type { Image, Images } from '#image/images.ts';

/** An image as the CRI lists it. A numeric user is told as uid, any other by name. */
export function imageMessage(images: Pick<Images, 'isPinned'>, image: Image): ImageMessage {
  const [user = ''] = image.config.user.split(':');
  const isNumber = /^\d+$/.test(user);
  return {
    id: image.id,
    repoTags: [...image.repoTags],
    repoDigests: [...image.repoDigests],
    size: image.sizeBytes,
    uid: isNumber ? { value: Number(user) } : null,
    username: isNumber ? '' : user,
    spec: null,
    pinned: images.isPinned(image),
  };
}
