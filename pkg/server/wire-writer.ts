/** Wire types of protocol buffers. */
const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;

/** Of the length of a message that is not known until it is written: up to 256 MiB. */
const lengthBytes = 4;

/**
 * Writes protocol buffers field by field into one piece of memory. The lists of a full node have tens of
 * thousands of messages; making objects of them first would take ten times as long.
 */
export class WireWriter {
  #bytes: Buffer;
  #length = 0;

  /** With room for so many bytes at first. */
  constructor(expectedBytes = 0) {
    this.#bytes = Buffer.allocUnsafeSlow(expectedBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written. The next field is the first of another message. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    return taken;
  }

  /** Unsigned, up to 2^53. */
  uint(field: number, value: number): void {
    this.#reserve(20);
    this.#varint(tag(field, varint));
    this.#varint(value);
  }

  double(field: number, value: number): void {
    this.#reserve(20);
    this.#varint(tag(field, fixed64));
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  text(field: number, value: string): void {
    const length = Buffer.byteLength(value);
    this.#reserve(length + 20);
    this.#varint(tag(field, lengthDelimited));
    this.#varint(length);
    this.#length += this.#bytes.write(value, this.#length);
  }

  /** Fields that are encoded already. */
  raw(fields: Uint8Array): void {
    this.#reserve(fields.length);
    this.#bytes.set(fields, this.#length);
    this.#length += fields.length;
  }

  /** Begins a message in a field; what is written until `end`, with the returned mark, is in it. */
  begin(field: number): number {
    this.#reserve(20);
    this.#varint(tag(field, lengthDelimited));
    this.#length += lengthBytes;
    return this.#length;
  }

  end(mark: number): void {
    // A varint with more bytes than it takes: the lowest seven bits first, a one in front of each but the last.
    const length = this.#length - mark;
    for (let index = 0; index < lengthBytes; index += 1) {
      const more = index < lengthBytes - 1 ? 0x80 : 0;
      this.#bytes[mark - lengthBytes + index] = ((length >>> (7 * index)) & 0x7f) | more;
    }
  }

  #varint(value: number): void {
    let rest = value;
    // Not with shifts, which are of 32 bits.
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
      this.#bytes[this.#length] = (rest % 0x80) | 0x80;
      this.#length += 1;
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, needed, 256));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

function tag(field: number, type: number): number {
  return (field << 3) | type;
}
