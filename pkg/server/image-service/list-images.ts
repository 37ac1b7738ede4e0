import type { ListImagesRequest, StreamImagesRequest } from '#api/cri/v1/types.ts';
import type { Image } from '#image/images.ts';
import type { ServerDeps } from '#server/deps.ts';
import {
  type EncodedMessage,
  encoder,
  listed,
  streamed,
  type WriteItems,
  writeEncoded,
} from '#server/encoded-list.ts';
import { imageMessage } from './image-message.ts';

export function listImages(deps: ServerDeps, request: ListImagesRequest): Promise<EncodedMessage> {
  return listed(itemsOf(deps, request));
}

/** The same in parts, for lists that are larger than a message may be. */
export function streamImages(
  deps: ServerDeps,
  request: StreamImagesRequest,
): AsyncIterable<EncodedMessage> {
  return streamed(itemsOf(deps, request));
}

function itemsOf({ images }: ServerDeps, { filter }: ListImagesRequest): WriteItems {
  const reference = filter?.image?.image ?? '';
  const image = reference === '' ? undefined : images.find(reference);
  const found = image === undefined ? [] : [image];
  const wanted = reference === '' ? images.list() : found;
  const encode = (each: Image) => encodeMessage(imageMessage(images, each));
  return (to) => writeEncoded(to, wanted.map(encode));
}

const encodeMessage = encoder('Image');
