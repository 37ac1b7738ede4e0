import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import type { Descriptor } from '#api/oci/image.ts';
import { Fault, faultCode } from '#errors/fault.ts';
import { digestMismatch } from '#image/digest.ts';
import type { DownloadProgress } from '#image/download-progress.ts';
import { patiently } from './patience.ts';
import type { Registry } from './registry.ts';
import { bodyOf } from './request.ts';

export type Download = {
  readonly blob: Descriptor;
  /** An empty file. */
  readonly fd: number;
  readonly progress: DownloadProgress;
  /** Is told of each piece. */
  readonly received: (bytes: number) => void;
};

/** With less than that each, no number of connections brings a blob in a reasonable time. */
const leastGainBytes = 16_384;

/**
 * Fetches a blob into a file and verifies it. When the connection breaks off or stalls it is made
 * anew, from there on, as long as each one brings something.
 */
export async function downloadBlob(
  registry: Registry,
  { blob, fd, progress, received: tell }: Download,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256');
  let received = 0;
  const receive = async (): Promise<void> => {
    for await (const chunk of blobFrom(registry, { blob, offset: received }, signal)) {
      if (received + chunk.length > blob.size) throw wrongSize(blob, 'more');
      hash.update(chunk);
      writeAll(fd, chunk, received);
      received += chunk.length;
      progress.advanceTo(received);
      tell(chunk.length);
    }
    if (received < blob.size) throw wrongSize(blob, 'less');
  };
  const advance = async (): Promise<void> => {
    const before = received;
    try {
      await receive();
    } catch (error) {
      const isWorthIt = received - before >= leastGainBytes && faultCode(error) === 'unavailable';
      if (signal.aborted || !isWorthIt) throw error;
    }
  };
  do await patiently(advance, registry.patience, signal);
  while (received < blob.size);
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest !== blob.digest) throw digestMismatch('blob', blob.digest, digest);
}

type From = { readonly blob: Descriptor; readonly offset: number };

/** A blob's bytes from `offset` on; a server that knows no ranges is heard out up to there. */
async function* blobFrom(
  registry: Registry,
  { blob, offset }: From,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
  const question = { path: `blobs/${blob.digest}`, capability: 'pull', headers } as const;
  const response = await registry.askOnce(question, signal);
  let toSkip = response.statusCode === 206 ? 0 : offset;
  for await (const chunk of bodyOf(response)) {
    const skipped = Math.min(toSkip, chunk.length);
    toSkip -= skipped;
    if (skipped < chunk.length) yield chunk.subarray(skipped);
  }
}

function wrongSize({ digest, size }: Descriptor, comparison: 'more' | 'less'): Fault {
  const sentence = `blob "${digest}" has ${comparison} than the ${size} bytes that its image says`;
  return new Fault('failed-precondition', sentence);
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
