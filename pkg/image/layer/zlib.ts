import { declare } from '#linux/libc.ts';

/**
 * The C interfaces of zlib and zstd that the node binary carries and exports (zlib.h, zstd.h).
 * Called directly, they take a third of the time of Node's streams, which allocate a buffer and
 * cross the thread pool for each chunk.
 */

type Pointer = number | bigint;

export const inflateInit2 = declare<[Buffer, number, string, number]>(
  'int inflateInit2_(void *stream, int windowBits, const char *version, int streamSize)',
);
export const inflate = declare<[Buffer, number]>('int inflate(void *stream, int flush)');
export const inflateReset = declare<[Buffer]>('int inflateReset(void *stream)');
export const inflateEnd = declare<[Buffer]>('int inflateEnd(void *stream)');
export const zlibVersion = declare<[], string>('const char *zlibVersion()');

export const zstdCreate = declare<[], Pointer>('uintptr_t ZSTD_createDCtx()');
export const zstdFree = declare<[Pointer]>('size_t ZSTD_freeDCtx(uintptr_t context)');
export const zstdDecompress = declare<[Pointer, Buffer, Buffer], Pointer>(
  'size_t ZSTD_decompressStream(uintptr_t context, void *output, void *input)',
);
export const zstdIsError = declare<[Pointer]>('uint32_t ZSTD_isError(size_t code)');
export const zstdErrorName = declare<[Pointer], string>(
  'const char *ZSTD_getErrorName(size_t code)',
);

const copyNothing = declare<[Uint8Array, Uint8Array, number], Pointer>(
  'uintptr_t memcpy(void *target, const void *source, size_t size)',
);

/** Where the bytes of a buffer outside of V8's heap lie; they never move. memcpy(3) returns it. */
export function addressOf(buffer: Uint8Array): bigint {
  return BigInt(copyNothing(buffer, buffer, 0));
}
