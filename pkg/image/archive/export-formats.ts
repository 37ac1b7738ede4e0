import type { Descriptor } from '#api/oci/image.ts';
import { Fault } from '#errors/fault.ts';
import type { NamedContent } from '#image/image-table.ts';
import { mediaTypes } from '#image/media-types.ts';
import type { TarMember } from './tar-stream.ts';

export const archiveFormats = ['oci', 'docker'] as const;
/** An OCI image layout, or what `docker save` writes and every version of `docker load` takes. */
export type ArchiveFormat = (typeof archiveFormats)[number];

export type BlobContent = (blob: Descriptor) => TarMember['content'];

/** The files of an archive of these images, each once. */
export function membersOf(
  format: ArchiveFormat,
  images: readonly NamedContent[],
  blobContent: BlobContent,
): Iterable<TarMember> {
  const write = format === 'oci' ? layoutOf : dockerArchiveOf;
  const members = write(images, blobContent);
  return new Map(members.map((member) => [member.name, member])).values();
}

/** Image-spec/image-layout.md; an index for several platforms stays as it is, with one of them. */
function layoutOf(images: readonly NamedContent[], blobContent: BlobContent): TarMember[] {
  const manifests = images.flatMap(({ names, content }) =>
    names.map((name) => ({
      ...content.target,
      annotations: {
        'io.containerd.image.name': name,
        'org.opencontainers.image.ref.name': name,
      },
    })),
  );
  const blobs = images.flatMap(({ content }) => content.blobs);
  return [
    document('oci-layout', { imageLayoutVersion: '1.0.0' }),
    document('index.json', { schemaVersion: 2, mediaType: mediaTypes.index, manifests }),
    ...blobs.map((blob) => ({ name: `blobs/sha256/${hex(blob)}`, content: blobContent(blob) })),
  ];
}

/** The layers stay compressed: all who read such archives look at the first bytes. */
function dockerArchiveOf(images: readonly NamedContent[], blobContent: BlobContent): TarMember[] {
  const parts = images.map(({ imageId, names, content: { blobs } }) => {
    // An image's blobs are its documents, of which the configuration is the last, then its layers.
    const at = blobs.findIndex(({ digest }) => digest === imageId);
    if (isManifest(blobs[at])) throw new Fault('unimplemented', 'docker has no artifacts: use oci');
    return { names, config: blobs.slice(at, at + 1), layers: blobs.slice(at + 1) };
  });
  const manifests = parts.map(({ names, config, layers }) => ({
    Config: config.map(configName).join(''),
    RepoTags: names.filter((name) => !name.includes('@')),
    Layers: layers.map(layerName),
  }));
  const file = (name: (blob: Descriptor) => string) => (blob: Descriptor) => ({
    name: name(blob),
    content: blobContent(blob),
  });
  return [
    document('manifest.json', manifests),
    ...parts.flatMap(({ config }) => config.map(file(configName))),
    ...parts.flatMap(({ layers }) => layers.map(file(layerName))),
  ];
}

/** An artifact has no configuration: its id is its manifest's digest. */
function isManifest(blob: Descriptor | undefined): boolean {
  return blob?.mediaType === mediaTypes.manifest;
}

const configName = (blob: Descriptor) => `${hex(blob)}.json`;
const layerName = (blob: Descriptor) => `${hex(blob)}.tar`;

function document(name: string, value: object): TarMember {
  return { name, content: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(value)) } };
}

function hex({ digest }: Descriptor): string {
  return digest.replace('sha256:', '');
}
