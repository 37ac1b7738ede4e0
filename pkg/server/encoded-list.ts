import { messageType } from './codec.ts';
import { WireWriter } from './wire-writer.ts';

/**
 * The answer of a call that lists things is encoded item by item: an item that is still the same object
 * as the last time need not be encoded again, and between items others can have their turn.
 */

/** An answer, or a part of a streamed one, that needs no more encoding. */
export type EncodedMessage = Buffer;

/** Writes the items of a list, each as `itemField`, and pauses after each. */
export type WriteItems = (to: WireWriter) => Iterable<void> | AsyncIterable<void>;

/** In all lists of the CRI, and in the streams of the same, the items are this field. */
export const itemField = 1;
/** Far below what a client takes; the server's other calls come between two parts. */
const streamedBytes = 512 * 1024;

/** From this size on the memory of a list is given back by hand. */
const releasedBytes = 1024 * 1024;

/**
 * How large a list is likely to be, from the last time. Memory that grows with the list is let go of again
 * and again, and so many megabytes make the garbage collector look at the whole heap.
 */
export type ListSize = { expectedBytes: number };

/** Numbers grow between two times, and a few items may have come. */
const spareRoom = 1.05;

/** The whole list as one answer; `size` is that of one list, again and again. */
export async function listed(
  write: WriteItems,
  size: ListSize = { expectedBytes: 0 },
): Promise<EncodedMessage> {
  const writer = new WireWriter(size.expectedBytes);
  const pauses = write(writer);
  // Awaiting what need not be awaited would take longer than all the rest.
  if (Symbol.asyncIterator in pauses) for await (const _ of pauses);
  else for (const _ of pauses);
  size.expectedBytes = Math.ceil(writer.length * spareRoom);
  return writer.take();
}

/** The list in parts. An empty list has none. */
export async function* streamed(write: WriteItems): AsyncGenerator<EncodedMessage> {
  const writer = new WireWriter();
  for await (const _ of write(writer)) if (writer.length >= streamedBytes) yield writer.take();
  if (writer.length > 0) yield writer.take();
}

/**
 * Gives back at once the memory of a list that was sent. So many megabytes that wait for it make the
 * garbage collector look at the whole heap again and again, which takes longer than making the list.
 */
export function release({ buffer }: EncodedMessage): void {
  // Short ones may share their memory with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= releasedBytes) buffer.transfer(0);
}

/** Encodes messages of the type `name`. */
export function encoder<Message extends object>(
  name: string,
): (message: Message) => EncodedMessage {
  const type = messageType(name);
  return (message) => Buffer.from(type.encode(message).finish());
}

/** Encodes what belongs to objects that do not change, once for each while it is there. */
export function once<Source extends object>(
  encode: (source: Source) => EncodedMessage,
): (source: Source) => EncodedMessage {
  const known = new WeakMap<Source, EncodedMessage>();
  return (source) => {
    // Of its own size: it is kept.
    const encoded = known.get(source) ?? Buffer.from(encode(source));
    known.set(source, encoded);
    return encoded;
  };
}

/** Writes items that are encoded already. */
export function* writeEncoded(
  to: WireWriter,
  items: Iterable<EncodedMessage>,
): Generator<void, void> {
  for (const item of items) {
    const mark = to.begin(itemField);
    to.raw(item);
    to.end(mark);
    yield;
  }
}
