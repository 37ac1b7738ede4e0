import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** An eighth of what a fast network brings between two collections of V8's own choice. */
const collectEveryBytes = 2 << 20;

/**
 * Node reads each piece of 64 KiB from a socket into a new buffer, and V8, which sees only small
 * objects, lets tens of megabytes of them pile up. Returns a function to be told of each piece; a
 * collection of young objects now and then, some 0.3 ms, keeps a download at a few of them.
 */
export function bufferCollector(): (bytes: number) => void {
  setFlagsFromString('--expose-gc');
  const collect: (options: { readonly type: 'minor' }) => void = runInNewContext('gc');
  let received = 0;
  return (bytes) => {
    received += bytes;
    if (received < collectEveryBytes) return;
    received = 0;
    collect({ type: 'minor' });
  };
}
