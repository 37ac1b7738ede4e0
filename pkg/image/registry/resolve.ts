import type { Descriptor, ImageConfigFile, Manifest } from '#api/oci/image.ts';
import { Fault } from '#errors/fault.ts';
import { checkLayer, parseConfigFile, parseTopDocument } from '#image/documents.ts';
import { type ImageConfig, imageConfigOf } from '#image/image-config.ts';
import { chooseManifest, rankOf } from '#image/platform.ts';
import { artifactLayers, isArtifact } from './artifact.ts';
import type { Documents, StoredDocument } from './image-documents.ts';

/** All that must be known of an image to fetch and unpack it. Its documents are in the store. */
export type ImagePlan = {
  /** What the reference names: the image's manifest, or an index of several. */
  readonly target: Descriptor;
  /** On the way to the layers: the target, inner indexes, the manifest, the configuration. */
  readonly documents: readonly Descriptor[];
  /** The digest of the configuration, which is the image's id; of an artifact, of its manifest. */
  readonly imageId: string;
  /** The lowest first. */
  readonly layers: readonly PlannedLayer[];
  readonly config: ImageConfig;
};

export type PlannedLayer = {
  readonly blob: Descriptor;
  readonly diffId: string;
  /** Of an artifact: the layer is one file, of this name. */
  readonly fileName?: string;
};

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
      const found = { target: target.descriptor, documents: [...documents, config.descriptor] };
      const plan = isArtifact(top.manifest)
        ? artifactPlan(top.manifest, document)
        : imagePlan(top.manifest, config, architecture);
      return { ...found, ...plan };
    }
    const chosen = choose(top.index.manifests, architecture);
    document = await store.document(chosen, 'manifests', signal);
  }
  throw new Fault('failed-precondition', 'the index leads from index to index');
}

type OwnPlan = Pick<ImagePlan, 'imageId' | 'layers' | 'config'>;

function imagePlan(manifest: Manifest, config: StoredDocument, architecture: string): OwnPlan {
  const file = parseConfigFile(config.bytes);
  checkPlatform(file, architecture);
  const layers = layersOf(manifest, file);
  return { imageId: config.descriptor.digest, layers, config: imageConfigOf(file) };
}

function artifactPlan(manifest: Manifest, { descriptor }: StoredDocument): OwnPlan {
  checkCount(manifest.layers);
  const layers = artifactLayers(manifest);
  const nothing = { rootfs: { type: 'layers', diff_ids: [] } } as const;
  return { imageId: descriptor.digest, layers, config: imageConfigOf(nothing) };
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
  checkCount(layers);
  const diffIds = rootfs.diff_ids;
  if (layers.length !== diffIds.length) {
    const counts = `${layers.length} layers, and ${diffIds.length} in its configuration`;
    throw new Fault('failed-precondition', `the manifest has ${counts}`);
  }
  layers.forEach(checkLayer);
  return layers.map(({ annotations: _, ...blob }, n) => ({ blob, diffId: diffIds[n] ?? '' }));
}

function checkCount({ length }: readonly Descriptor[]): void {
  if (length <= maxLayers) return;
  const sentence = `the image has ${length} layers, and overlayfs takes ${maxLayers}`;
  throw new Fault('failed-precondition', sentence);
}
