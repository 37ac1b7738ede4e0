import type { Image } from '#image/images.ts';

/** An image as this endpoint tells of it. */
export type ImageSummary = Pick<Image, 'id' | 'repoTags' | 'repoDigests' | 'sizeBytes'> & {
  /** RFC 3339, as the image says; empty when it does not. */
  readonly created: string;
  /** Such as `linux/amd64`. */
  readonly platform: string;
};

export function imageJson(image: Image): ImageSummary {
  const { id, repoTags, repoDigests, sizeBytes, config } = image;
  const { architecture, os, created } = config;
  return { id, repoTags, repoDigests, sizeBytes, created, platform: `${os}/${architecture}` };
}
