/**
 * The OCI image specification's JSON documents, as far as we read them.
 * https://github.com/opencontainers/image-spec: descriptor.md, image-index.md, manifest.md, config.md
 */

export type Platform = {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string | undefined;
};

/** Names a blob: its media type, its digest such as `sha256:…`, and its size in bytes. */
export type Descriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Platform | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
};

/** One image for several platforms. */
export type Index = {
  readonly schemaVersion: 2;
  readonly mediaType?: string | undefined;
  readonly manifests: readonly Descriptor[];
};

/** One image for one platform: its configuration and its layers, the lowest first. */
export type Manifest = {
  readonly schemaVersion: 2;
  readonly mediaType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
};

/** The blob whose digest is the image's id. */
export type ImageConfigFile = {
  readonly architecture?: string | undefined;
  readonly os?: string | undefined;
  readonly variant?: string | undefined;
  readonly created?: string | null | undefined;
  readonly config?: ProcessConfig | null | undefined;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] };
};

/** What a container made from the image runs, unless told otherwise. */
export type ProcessConfig = {
  readonly User?: string | null | undefined;
  readonly Env?: readonly string[] | null | undefined;
  readonly Entrypoint?: readonly string[] | null | undefined;
  readonly Cmd?: readonly string[] | null | undefined;
  readonly WorkingDir?: string | null | undefined;
  readonly StopSignal?: string | null | undefined;
  readonly Volumes?: Readonly<Record<string, unknown>> | null | undefined;
  readonly Labels?: Readonly<Record<string, string>> | null | undefined;
  readonly ExposedPorts?: Readonly<Record<string, unknown>> | null | undefined;
};
