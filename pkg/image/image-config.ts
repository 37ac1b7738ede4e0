import type { ImageConfigFile, ProcessConfig } from '#api/oci/image.ts';

/** What a container made from an image runs, unless told otherwise. Absent texts are empty. */
export type ImageConfig = {
  readonly architecture: string;
  readonly os: string;
  /** RFC 3339, as the image says. */
  readonly created: string;
  /** `user`, `uid`, `user:group` or `uid:gid`, to be looked up in the image's own files. */
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly stopSignal: string;
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Such as `80/tcp`. */
  readonly exposedPorts: readonly string[];
};

export function imageConfigOf(file: ImageConfigFile): ImageConfig {
  return {
    architecture: file.architecture ?? '',
    os: file.os ?? '',
    created: file.created ?? '',
    ...processOf(file.config ?? {}),
  };
}

function processOf(config: ProcessConfig): Omit<ImageConfig, 'architecture' | 'os' | 'created'> {
  return {
    user: config.User ?? '',
    env: config.Env ?? [],
    entrypoint: config.Entrypoint ?? [],
    cmd: config.Cmd ?? [],
    workingDir: config.WorkingDir ?? '',
    stopSignal: config.StopSignal ?? '',
    volumes: Object.keys(config.Volumes ?? {}),
    labels: config.Labels ?? {},
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
  };
}
