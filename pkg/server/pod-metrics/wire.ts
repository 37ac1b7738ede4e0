/** The wire format of protocol buffers, as far as it takes to put messages together from parts of them. */

const lengthDelimited = 2;
const varint = 0;

/** A field of text, bytes or an encoded message. */
export function wireText(field: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([encodeVarints((field << 3) | lengthDelimited, bytes.length), bytes]);
}

export function wireVarint(field: number, value: number): Buffer {
  return encodeVarints((field << 3) | varint, value);
}

/** Seven bits a byte, the lowest first, all but the last byte with the eighth bit set. */
function encodeVarints(...values: readonly number[]): Buffer {
  const bytes: number[] = [];
  for (const value of values) {
    let rest = value;
    // Not with shifts, which are of 32 bits.
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    bytes.push(rest);
  }
  return Buffer.from(bytes);
}

/** Fields one after the other, in memory that grows with them. */
export class WireBuffer {
  #bytes = Buffer.allocUnsafeSlow(64 * 1024);
  #length = 0;

  /** Appends a message as a field, from the parts of its encoding. */
  message(field: number, parts: readonly Buffer[]): void {
    let length = 0;
    for (const part of parts) length += part.length;
    const head = encodeVarints((field << 3) | lengthDelimited, length);
    this.#reserve(head.length + length);
    this.#append(head);
    for (const part of parts) this.#append(part);
  }

  /** Appends what is encoded already. */
  fields(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.#append(bytes);
  }

  /** A copy of all that was appended; the next one begins anew. */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  #append(part: Buffer): void {
    part.copy(this.#bytes, this.#length);
    this.#length += part.length;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + bytes));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
