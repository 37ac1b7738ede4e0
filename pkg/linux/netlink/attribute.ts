/**
 * Netlink attributes: type, length and value, padded to four bytes; a value may be attributes again.
 * The numbers are in the byte order of the machine, and all of the machines we run on are
 * little-endian. See netlink(7) and rtnetlink(7).
 */
export type Attribute = { readonly type: number; readonly value: Buffer };

const headerBytes = 4;
/** Set in the type of newer families' nested attributes, and to be ignored when read. */
const flagBits = 0xc000;

export function bytes(type: number, value: Uint8Array): Attribute {
  return { type, value: Buffer.from(value) };
}

export function uint8(type: number, value: number): Attribute {
  return { type, value: Buffer.of(value) };
}

export function uint32(type: number, value: number): Attribute {
  const buffer = Buffer.allocUnsafe(4);
  buffer.writeUInt32LE(value);
  return { type, value: buffer };
}

/** Zero-terminated, as names of links and kinds are. */
export function text(type: number, value: string): Attribute {
  return { type, value: Buffer.from(`${value}\0`) };
}

export function nested(type: number, ...attributes: readonly Attribute[]): Attribute {
  return { type, value: encodeAttributes(attributes) };
}

export function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  return Buffer.concat(attributes.map(encodeAttribute));
}

/** The value of each attribute by its type; of a repeated type, the last. */
export function decodeAttributes(buffer: Buffer): Map<number, Buffer> {
  const values = new Map<number, Buffer>();
  for (let at = 0; at + headerBytes <= buffer.length;) {
    const length = buffer.readUInt16LE(at);
    if (length < headerBytes || at + length > buffer.length) break;
    const type = buffer.readUInt16LE(at + 2) & ~flagBits;
    values.set(type, buffer.subarray(at + headerBytes, at + length));
    at += aligned(length);
  }
  return values;
}

/** The string in an attribute, without its terminating zero. */
export function textOf(value: Buffer | undefined): string | undefined {
  return value?.toString('utf8').replace(/\0.*$/s, '');
}

/** Lengths round up to the alignment of both messages and attributes. */
export function aligned(length: number): number {
  return (length + 3) & ~3;
}

function encodeAttribute({ type, value }: Attribute): Buffer {
  const length = headerBytes + value.length;
  const buffer = Buffer.alloc(aligned(length));
  buffer.writeUInt16LE(length, 0);
  buffer.writeUInt16LE(type, 2);
  value.copy(buffer, headerBytes);
  return buffer;
}
