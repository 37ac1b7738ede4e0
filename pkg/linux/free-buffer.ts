/**
 * Gives the memory of a chunk back at once that was read from a pipe or a socket and has been passed
 * on. Nothing may use it afterwards. The collector would free it as well, but large chunks that come
 * in numbers make it look at the whole heap again and again, which takes more than the copying.
 */
export function freeBuffer(chunk: Buffer): void {
  const { buffer, byteLength } = chunk;
  // Small chunks share their memory with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
