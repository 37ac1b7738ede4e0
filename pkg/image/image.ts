import type { Descriptor } from '#api/oci/image.ts';
import type { ImageConfig } from './image-config.ts';
import type { PlannedLayer } from './registry/resolve.ts';

export type Image = {
  /** The digest of the configuration, `sha256:…`: the same for every name and registry. */
  readonly id: string;
  /** Such as `docker.io/library/busybox:latest`; empty when it was pulled by digest. Sorted. */
  readonly repoTags: readonly string[];
  /** Such as `docker.io/library/busybox@sha256:…`, of what a tag stood for when pulled. Sorted. */
  readonly repoDigests: readonly string[];
  /** The compressed layers and the configuration, as containerd counts; at least 1. */
  readonly sizeBytes: number;
  readonly config: ImageConfig;
  /** Of its layers, the lowest first. */
  readonly chainIds: readonly string[];
};

/** What is kept of an image. */
export type ImageRecord = Pick<Image, 'id' | 'sizeBytes' | 'config' | 'chainIds'> & {
  /** What each tag stands for: a key of `contents`. */
  readonly tags: Readonly<Record<string, string>>;
  /** What was pulled, by `name@digest`, with the blobs that it is made up of. */
  readonly contents: Readonly<Record<string, ImageContent>>;
};

export type ImageContent = {
  /** The manifest, or an index of several. */
  readonly target: Descriptor;
  /** All blobs, with the target. */
  readonly blobs: readonly Descriptor[];
  /** What to unpack, the lowest first; absent in records of the time when nothing asked for it. */
  readonly layers?: readonly PlannedLayer[];
};

export function imageOf({ id, tags, contents, sizeBytes, config, chainIds }: ImageRecord): Image {
  const repoTags = Object.keys(tags).toSorted();
  const repoDigests = Object.keys(contents).toSorted();
  return { id, repoTags, repoDigests, sizeBytes, config, chainIds };
}
