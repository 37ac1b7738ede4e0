import protobuf from 'protobufjs/light.js';
import { messageType } from './codec.ts';

/**
 * The answer of a call that lists things is encoded item by item: an item that is still the same object
 * as the last time need not be encoded again, and between items others can have their turn.
 */

/** One item as it stands in the encoded answer. */
export type EncodedItem = Buffer;

/** An answer, or a part of a streamed one, that needs no more encoding. */
export type EncodedMessage = Buffer;

/** In all lists of the CRI, and in the streams of the same, the items are field 1 (length-delimited). */
const itemTag = (1 << 3) | 2;
/** Far below what a client takes; the server's other calls come between two parts. */
const streamedBytes = 512 * 1024;

/** Encodes items of the message type `name`. */
export function itemEncoder<Item extends object>(name: string): (item: Item) => EncodedItem {
  const type = messageType(name);
  return (item) =>
    Buffer.from(
      type.encode(item, protobuf.Writer.create().uint32(itemTag).fork()).ldelim().finish(),
    );
}

/** Encodes the messages that `toMessage` makes of unchanging objects, each once while it is there. */
export function onceEncoder<Source extends object, Item extends object>(
  name: string,
  toMessage: (source: Source) => Item,
): (source: Source) => EncodedItem {
  const encode = itemEncoder<Item>(name);
  const known = new WeakMap<Source, EncodedItem>();
  return (source) => {
    const encoded = known.get(source) ?? encode(toMessage(source));
    known.set(source, encoded);
    return encoded;
  };
}

/** An item of encoded fields. */
export function encodedItem(fields: readonly Uint8Array[]): EncodedItem {
  const length = fields.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const head = protobuf.Writer.create().uint32(itemTag).uint32(length).finish();
  return Buffer.concat([head, ...fields]);
}

/** The whole list as one answer. */
export async function listed(
  items: Iterable<EncodedItem> | AsyncIterable<EncodedItem>,
): Promise<EncodedMessage> {
  return Buffer.concat(await Array.fromAsync(items));
}

/** The list in parts. An empty list has none. */
export async function* streamed(
  items: Iterable<EncodedItem> | AsyncIterable<EncodedItem>,
): AsyncGenerator<EncodedMessage> {
  let part: EncodedItem[] = [];
  let bytes = 0;
  for await (const item of items) {
    part.push(item);
    bytes += item.length;
    if (bytes < streamedBytes) continue;
    yield Buffer.concat(part);
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield Buffer.concat(part);
}
