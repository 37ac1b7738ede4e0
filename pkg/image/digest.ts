import { createHash } from 'node:crypto';
import { Fault } from '#errors/fault.ts';

/** Whether `text` is a digest that we can verify (image-spec/descriptor.md#digests). */
export function isDigest(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** The digest of a small document. Large ones are hashed where they are streamed. */
export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** `what` names the thing, such as `layer`. */
export function digestMismatch(what: string, expected: string, actual: string): Fault {
  return new Fault('failed-precondition', `${what} "${expected}" came with the digest "${actual}"`);
}

/**
 * The identities of a stack of layers, from their diff ids, the lowest first: each names its layer
 * together with all below it (image-spec/config.md#layer-chainid).
 */
export function chainIdsOf(diffIds: readonly string[]): string[] {
  const chainIds: string[] = [];
  for (const diffId of diffIds) {
    const below = chainIds.at(-1);
    chainIds.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chainIds;
}
