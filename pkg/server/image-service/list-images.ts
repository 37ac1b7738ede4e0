import type { ListImagesRequest, StreamImagesRequest } from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';
import {
  type EncodedItem,
  type EncodedMessage,
  itemEncoder,
  listed,
  streamed,
} from '#server/encoded-list.ts';
import { imageMessage } from './image-message.ts';

export function listImages(deps: ServerDeps, request: ListImagesRequest): Promise<EncodedMessage> {
  return listed(items(deps, request));
}

/** The same in parts, for lists that are larger than a message may be. */
export function streamImages(
  deps: ServerDeps,
  request: StreamImagesRequest,
): AsyncIterable<EncodedMessage> {
  return streamed(items(deps, request));
}

function items({ images }: ServerDeps, { filter }: ListImagesRequest): EncodedItem[] {
  const reference = filter?.image?.image ?? '';
  const image = reference === '' ? undefined : images.find(reference);
  const found = image === undefined ? [] : [image];
  return (reference === '' ? images.list() : found).map((each) =>
    encode(imageMessage(images, each)),
  );
}

const encode = itemEncoder('Image');
