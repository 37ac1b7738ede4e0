import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { setPriority } from 'node:os';
import { Fault } from '#errors/fault.ts';
import { DownloadProgress } from '#image/download-progress.ts';
import { stageFault } from '#image/stage-fault.ts';
import { type Caller, serve } from '#image/worker/serve.ts';
import { cloneSubvolume, makeSubvolume } from '#linux/btrfs.ts';
import { check, syncfs, umask, unshare } from '#linux/libc.ts';
import { atMost, ByteReader, growingFile, type NextChunk } from './bytes.ts';
import { decompress } from './decompress.ts';
import { type Extracted, extractLayer } from './extract.ts';
import { copyTree, type CopyRequest } from './copy.ts';
import { measureTree } from './disk-usage.ts';
import { inheritAttributes } from './inherit.ts';
import { mergeLayer, type MergeRequest } from './merge.ts';
import { placeFile } from './place-file.ts';
import type { WhiteoutFormat } from './whiteouts.ts';

/** A thread that unpacks one layer after the other. It blocks; nothing else runs in it meanwhile. */

export type UnpackRequest = {
  /** The compressed layer; it may still be growing. Belongs to the caller. */
  readonly fd: number;
  readonly progress: SharedArrayBuffer;
  /** An empty directory, owned by root, 0755. */
  readonly directory: string;
  /** The digest that the plain archive must have. */
  readonly diffId: string;
  /** It is no archive, but to be this file. */
  readonly fileName: string | undefined;
  readonly whiteouts: WhiteoutFormat;
  /** A plain archive that is larger is refused. */
  readonly maxBytes: number;
};

export type InheritRequest = {
  readonly directory: string;
  readonly paths: readonly string[];
  /** The directories of the layers below, the nearest first. */
  readonly lowers: readonly string[];
};

const niceness = 10;
const bufferBytes = 256 * 1024;
// Pooled buffers would share their memory with others.
const compressed = Buffer.allocUnsafeSlow(bufferBytes);
const plain = Buffer.allocUnsafeSlow(bufferBytes);

const calls = {
  unpack: (request: UnpackRequest, caller: Caller): Extracted => {
    try {
      return request.fileName === undefined
        ? unpack(request, caller)
        : place(request, request.fileName, caller);
    } catch (cause) {
      throw stageFault(`unpack layer "${request.diffId}"`, cause);
    }
  },
  inherit: ({ directory, paths, lowers }: InheritRequest): void =>
    inheritAttributes(directory, paths, lowers),
  copy: (request: CopyRequest, { isGone }: Caller): void => copyTree(request, isGone),
  merge: (request: MergeRequest, { isGone }: Caller): void => mergeLayer(request, isGone),
  measure: measureTree,
  makeSubvolume,
  cloneSubvolume: ({ source, target }: CopyRequest): void => cloneSubvolume(source, target),
  /** Has all of the filesystem of a directory on the disk. */
  sync: (directory: string): void => {
    const fd = openSync(directory, 'r');
    try {
      check(syncfs(fd), 'syncfs', directory);
    } finally {
      closeSync(fd);
    }
  },
};
export type LayerCalls = typeof calls;

function unpack(request: UnpackRequest, caller: Caller): Extracted {
  const { fd, progress, diffId, maxBytes } = request;
  const file = { fd, progress: new DownloadProgress(progress) };
  using archive = decompress(growingFile(file, compressed, caller.isGone), plain);
  const hash = createHash('sha256');
  const reader = new ByteReader(hashing(atMost(archive.next, maxBytes), hash));
  const extracted = extractLayer(reader, request);
  // The digest is that of the whole stream, with the padding after the archive's end.
  while (reader.take(bufferBytes).length > 0);
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest === diffId) return extracted;
  throw new Fault('failed-precondition', `its content has the digest "${digest}"`);
}

/** The digest of the file is that of the download. */
function place(request: UnpackRequest, fileName: string, { isGone }: Caller): Extracted {
  const file = { fd: request.fd, progress: new DownloadProgress(request.progress) };
  const reader = new ByteReader(growingFile(file, compressed, isGone));
  return placeFile(reader, request.directory, fileName);
}

function hashing(next: NextChunk, hash: Hash): NextChunk {
  return () => {
    const chunk = next();
    hash.update(chunk);
    return chunk;
  };
}

// On Linux both are of this thread alone: setpriority(2), unshare(2) of CLONE_FS.
setPriority(niceness);
check(unshare(0x200), 'unshare', 'CLONE_FS');
umask(0);
serve(calls);
