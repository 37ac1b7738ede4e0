import { expect, it } from 'vitest';
import { decodeHeader } from '#image/layer/tar-header.ts';
import { tarStream } from './tar-stream.ts';

it.each([0, 511, 8 ** 11 - 1, 8 ** 11, 2 ** 50])('writes a file of %d bytes', async (size) => {
  const content = { kind: 'file', path: '/dev/null', size } as const;
  const { value } = await tarStream([{ name: 'a/b', content }]).next();
  const header = decodeHeader(Buffer.from(value ?? []));
  expect(header).toMatchObject({ name: 'a/b', typeFlag: '0', mode: 0o644, sizeBytes: size });
});

it('fails when a file has become shorter', async () => {
  const content = { kind: 'file', path: '/dev/null', size: 1 } as const;
  await expect(Array.fromAsync(tarStream([{ name: 'a', content }]))).rejects.toThrow('missing');
});
