import type { Descriptor, Manifest } from '#api/oci/image.ts';
import { Fault } from '#errors/fault.ts';
import { digestOf } from '#image/digest.ts';
import type { PlannedLayer } from './resolve.ts';

/**
 * OCI artifacts: files, such as a model or a chart, in the form of an image. Each layer is one file
 * (image-spec/manifest.md, guidelines for artifact usage). They are of use as volumes.
 */

const imageConfigTypes = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  // Docker's first registries had it so.
  'application/octet-stream',
];
const emptyType = 'application/vnd.oci.empty.v1+json';
const title = 'org.opencontainers.image.title';

export function isArtifact({ config }: Manifest): boolean {
  return !imageConfigTypes.includes(config.mediaType);
}

/** Its files as layers. The one with the same name as an earlier one hides that. */
export function artifactLayers({ layers }: Manifest): PlannedLayer[] {
  const files = layers.filter(({ mediaType }) => mediaType !== emptyType);
  if (files.length === 0) throw new Fault('unimplemented', 'the artifact has no files');
  return files.map(({ annotations, ...blob }) => {
    const fileName = checkedName(annotations?.[title] ?? blob.digest.replace('sha256:', ''), blob);
    // No archive has this digest: it stands for the file under its name.
    const diffId = digestOf(JSON.stringify(['file of an artifact', fileName, blob.digest]));
    return { blob, diffId, fileName };
  });
}

/** Titles may be paths. */
function checkedName(name: string, { digest }: Descriptor): string {
  const isGood = name.split('/').every((part) => !['', '.', '..'].includes(part));
  if (isGood && !name.includes('\0')) return name;
  throw new Fault('failed-precondition', `file "${digest}" of the artifact: malformed title`);
}
