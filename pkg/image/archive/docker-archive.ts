import { closeSync, openSync, readSync } from 'node:fs';
import * as v from 'valibot';
import { parseAs } from '#image/documents.ts';
import { mediaTypes } from '#image/media-types.ts';
import { type ArchivedFile, type ArchiveFiles, readDocument } from './archive-files.ts';
import type { NamedTarget } from './archived-images.ts';

/** What `docker save` writes, and `skopeo copy` to `docker-archive:`. */

const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar';

const manifestsSchema = v.array(
  v.object({
    Config: v.string(),
    RepoTags: v.nullish(v.array(v.string()), []),
    Layers: v.nullish(v.array(v.string()), []),
  }),
);

/**
 * The images of a docker-archive. It has no manifests as registries have them, so they are made up:
 * always the same for the same image.
 */
export function targetsOfDockerArchive(files: ArchiveFiles): NamedTarget[] {
  const manifests = parseAs(manifestsSchema, readDocument(files.get('manifest.json')));
  return manifests.map(({ Config, RepoTags, Layers }) => {
    const config = descriptorOf(files.get(Config), configType);
    const layers = Layers.map((name) => {
      const layer = files.get(name);
      return descriptorOf(layer, layerType + compressionOf(layer));
    });
    const mediaType = mediaTypes.manifest;
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config, layers });
    const target = descriptorOf(files.addBlob(Buffer.from(manifest)), mediaType);
    return { target, names: RepoTags ?? [] };
  });
}

function descriptorOf({ digest, size }: ArchivedFile, mediaType: string) {
  return { mediaType, digest, size };
}

/** Docker's own are plain; builders write compressed ones as well. */
function compressionOf({ path }: ArchivedFile): '' | '+gzip' | '+zstd' {
  const fd = openSync(path, 'r');
  try {
    const magic = Buffer.alloc(4);
    readSync(fd, magic);
    if (magic.readUInt16BE() === 0x1f8b) return '+gzip';
    return magic.readUInt32LE() === 0xfd2fb528 ? '+zstd' : '';
  } finally {
    closeSync(fd);
  }
}
