/** As many pieces are put together: each takes some hundred bytes besides what is in it. */
const maxPieces = 512;

/** What a command has written, in whatever pieces that comes, up to a number of bytes. */
export class CollectedOutput {
  readonly #room: { bytes: number };
  readonly #blocks: Buffer[] = [];
  #pieces: Buffer[] = [];

  /** Outputs may share their room. */
  constructor(room: { bytes: number }) {
    this.#room = room;
  }

  /** Takes what there is room for. */
  add(piece: Buffer): void {
    const kept = piece.subarray(0, Math.max(0, this.#room.bytes));
    this.#room.bytes -= kept.length;
    if (kept.length === 0) return;
    this.#pieces.push(kept);
    if (this.#pieces.length < maxPieces) return;
    this.#blocks.push(Buffer.concat(this.#pieces));
    this.#pieces = [];
  }

  /** All that was taken. */
  bytes(): Buffer {
    return Buffer.concat([...this.#blocks, ...this.#pieces]);
  }
}
