import type { Image } from '#image/images.ts';

/** An image as this endpoint tells of it. */
export function imageJson({ id, repoTags, repoDigests, sizeBytes, config }: Image) {
  const { architecture, os, created } = config;
  return { id, repoTags, repoDigests, sizeBytes, created, platform: `${os}/${architecture}` };
}
