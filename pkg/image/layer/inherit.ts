import { isErrno } from '#errors/fault.ts';
import { applyAttributes, type Attributes, attributesOf } from './attributes.ts';
import { existingAt, Tree } from './tree.ts';

/**
 * Gives directories that a layer did not describe the attributes that they have in the layers below:
 * `lowers`, the nearest first. Where these have no such directory, it stays root's, 0755.
 */
export function inheritAttributes(
  directory: string,
  paths: readonly string[],
  lowers: readonly string[],
): void {
  using stack = new DisposableStack();
  const target = stack.use(new Tree(directory));
  const below = lowers.map((lower) => stack.use(new Tree(lower)));
  for (const path of paths) {
    const attributes = attributesBelow(below, path);
    if (attributes) applyAttributes(target.find(path), attributes, { hasMode: true });
  }
}

/**
 * Anything but a directory, such as a whiteout, ends the search. An opaque directory does not: what
 * it hides had this name before, and its attributes are as good as none.
 */
function attributesBelow(lowers: readonly Tree[], path: string): Attributes | undefined {
  for (const lower of lowers) {
    try {
      const place = lower.find(path);
      const existing = existingAt(place);
      if (existing !== 'nothing') {
        return existing === 'directory' ? attributesOf(place) : undefined;
      }
    } catch (error) {
      if (isErrno(error, 'ENOTDIR')) return undefined;
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return undefined;
}
