import type { Descriptor, ImageConfigFile, Manifest } from '#api/oci/image.ts';
import { Fault } from '#errors/fault.ts';
import { checkLayer, parseConfigFile, parseTopDocument } from '#image/documents.ts';
import { type ImageConfig, imageConfigOf } from '#image/image-config.ts';
import { chooseManifest, rankOf } from '#image/platform.ts';
import type { Documents, StoredDocument } from './image-documents.ts';

/** All that must be known of an image to fetch and unpack it. Its documents are in the store. */
export type ImagePlan = {
  /** What the reference names: the image's manifest, or an index of several. */
  readonly target: Descriptor;
  /** On the way to the layers: the target, inner indexes, the manifest, the configuration. */
  readonly documents: readonly Descriptor[];
  /** The digest of the configuration, which is the image's id. */
  readonly imageId: string;
  /** The lowest first. */
  readonly layers: readonly PlannedLayer[];
  readonly config: ImageConfig;
};

export type PlannedLayer = { readonly blob: Descriptor; readonly diffId: string };

const maxIndexDepth = 3;
/** What overlayfs can stack (OVL_MAX_STACK); real images have not half as many. */
const maxLayers = 500;

/** Finds out what the image that a reference names consists of, for this architecture. */
export async function resolveImage(
  store: Pick<Documents, 'target' | 'document'>,
  architecture: string,
  signal: AbortSignal,
): Promise<ImagePlan> {
  const target = await store.target(signal);
  const documents: Descriptor[] = [];
  let document: StoredDocument = target;
  while (documents.length <= maxIndexDepth) {
    documents.push(document.descriptor);
    const top = parseTopDocument(document.bytes, document.descriptor.mediaType);
    if (top.kind === 'manifest') {
      const config = await store.document(top.manifest.config, 'blobs', signal);
      documents.push(config.descriptor);
      const file = parseConfigFile(config.bytes);
      checkPlatform(file, architecture);
      const layers = layersOf(top.manifest, file);
      const imageId = config.descriptor.digest;
      return { target: target.descriptor, documents, imageId, layers, config: imageConfigOf(file) };
    }
    const chosen = choose(top.index.manifests, architecture);
    document = await store.document(chosen, 'manifests', signal);
  }
  throw new Fault('failed-precondition', 'the index leads from index to index');
}

function choose(manifests: readonly Descriptor[], architecture: string): Descriptor {
  const chosen = chooseManifest(manifests, architecture);
  if (chosen !== undefined) return chosen;
  const offered = manifests.map(({ platform }) => `${platform?.os}/${platform?.architecture}`);
  throw wrongPlatform(architecture, offered);
}

/** Says what an image is for when it is not for us; a configuration that does not say is trusted. */
function checkPlatform(file: ImageConfigFile, architecture: string): void {
  if (!file.architecture || !file.os) return;
  const platform = { architecture: file.architecture, os: file.os, variant: file.variant };
  if (rankOf(platform, architecture) !== undefined) return;
  throw wrongPlatform(architecture, [`${file.os}/${file.architecture}`]);
}

function wrongPlatform(architecture: string, offered: readonly string[]): Fault {
  const list = [...new Set(offered)].join(', ') || 'nothing';
  return new Fault('not-found', `there is no image for linux/${architecture}, only for ${list}`);
}

function layersOf({ layers }: Manifest, { rootfs }: ImageConfigFile): PlannedLayer[] {
  if (layers.length > maxLayers) {
    const sentence = `the image has ${layers.length} layers, and overlayfs takes ${maxLayers}`;
    throw new Fault('failed-precondition', sentence);
  }
  const diffIds = rootfs.diff_ids;
  if (layers.length !== diffIds.length) {
    const counts = `${layers.length} layers, and ${diffIds.length} in its configuration`;
    throw new Fault('failed-precondition', `the manifest has ${counts}`);
  }
  layers.forEach(checkLayer);
  return layers.map((blob, n) => ({ blob, diffId: diffIds[n] ?? '' }));
}
