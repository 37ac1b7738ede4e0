import * as v from 'valibot';
import type { Descriptor, ImageConfigFile, Index, Manifest } from '#api/oci/image.ts';
import { Fault } from '#errors/fault.ts';
import { isDigest } from './digest.ts';
import { mediaTypes } from './media-types.ts';

/** Containerd's limit, too; the documents of real images are a hundred times smaller. */
export const maxDocumentBytes = 8 << 20;

const optionalText = v.nullish(v.string());
const texts = v.nullish(v.array(v.string()));
const keys = v.nullish(v.record(v.string(), v.unknown()));
const digest = v.pipe(v.string(), v.check(isDigest, 'not a sha256 digest'));

export const descriptorSchema = v.object({
  mediaType: v.string(),
  digest,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  annotations: v.fallback(v.optional(v.record(v.string(), v.string())), undefined),
  platform: v.optional(
    v.object({ architecture: v.string(), os: v.string(), variant: v.optional(v.string()) }),
  ),
});

const indexSchema = v.object({
  schemaVersion: v.literal(2),
  mediaType: v.optional(v.string()),
  manifests: v.array(descriptorSchema),
});

const manifestSchema = v.object({
  schemaVersion: v.literal(2),
  mediaType: v.optional(v.string()),
  config: descriptorSchema,
  layers: v.array(descriptorSchema),
});

const configSchema = v.object({
  architecture: v.optional(v.string()),
  os: v.optional(v.string()),
  variant: v.optional(v.string()),
  created: optionalText,
  config: v.nullish(
    v.object({
      User: optionalText,
      Env: texts,
      Entrypoint: texts,
      Cmd: texts,
      WorkingDir: optionalText,
      StopSignal: optionalText,
      Volumes: keys,
      Labels: v.nullish(v.record(v.string(), v.string())),
      ExposedPorts: keys,
    }),
  ),
  rootfs: v.object({ type: v.literal('layers'), diff_ids: v.array(digest) }),
});

export type TopDocument =
  | { readonly kind: 'index'; readonly index: Index }
  | { readonly kind: 'manifest'; readonly manifest: Manifest };

/** Reads what a reference can name. `contentType` is the server's word, for documents without one. */
export function parseTopDocument(bytes: Uint8Array, contentType: string): TopDocument {
  const { schemaVersion, mediaType } = parseAs(headSchema, bytes);
  if (schemaVersion === 1) {
    throw new Fault('unimplemented', 'the image is of schema 1, which Docker gave up in 2017');
  }
  switch (mediaType ?? contentType) {
    case mediaTypes.index:
    case mediaTypes.dockerIndex:
      return { kind: 'index', index: parseAs(indexSchema, bytes) };
    case mediaTypes.manifest:
    case mediaTypes.dockerManifest:
      return { kind: 'manifest', manifest: parseAs(manifestSchema, bytes) };
    default:
      throw new Fault('unimplemented', `"${mediaType ?? contentType}" is not an image`);
  }
}

const headSchema = v.object({ schemaVersion: v.number(), mediaType: v.optional(v.string()) });

/** The type that an index or a manifest says it has; OCI's need not say it. */
export function documentMediaType(bytes: Uint8Array): string | undefined {
  return parseAs(headSchema, bytes).mediaType;
}

export function parseConfigFile(bytes: Uint8Array): ImageConfigFile {
  return parseAs(configSchema, bytes);
}

/** Reads JSON that must look as `schema` says. */
export function parseAs<Output>(
  schema: v.GenericSchema<unknown, Output>,
  bytes: Uint8Array,
): Output {
  try {
    return v.parse(schema, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new Fault('failed-precondition', 'read a document of the image', { cause });
  }
}

const layerTypes = [
  /^application\/vnd\.oci\.image\.layer\.v1\.tar(\+gzip|\+zstd)?$/,
  /^application\/vnd\.docker\.image\.rootfs\.diff\.tar(\.gzip|\.zstd)?$/,
];

/** Throws with the reason when a layer is not one that can be fetched from the registry as a tar. */
export function checkLayer({ mediaType, digest: name }: Descriptor): void {
  if (layerTypes.some((type) => type.test(mediaType))) return;
  const reason = /foreign|nondistributable/.test(mediaType)
    ? 'it is a foreign layer, which its registry does not hold'
    : /encrypted/.test(mediaType)
      ? 'it is encrypted'
      : `its type "${mediaType}" is unknown`;
  throw new Fault('unimplemented', `layer "${name}": ${reason}`);
}
