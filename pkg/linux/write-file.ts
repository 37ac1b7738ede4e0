import { writeFileSync } from 'node:fs';

/** Writes a whole file. The error names it: of a disk that is full, Node does not say which. */
export function writeWhole(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode });
  } catch (cause) {
    throw new Error(`write "${path}"`, { cause });
  }
}
