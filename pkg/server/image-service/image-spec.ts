import type { ImageConfigFile } from '#api/oci/image.ts';
import type { ImageConfig } from '#image/images.ts';

/** An image's configuration in the words of the OCI (image-spec/config.md), as other runtimes tell it. */
export function imageSpec(config: ImageConfig): Omit<ImageConfigFile, 'rootfs'> {
  const { architecture, os, created } = config;
  return {
    created,
    architecture,
    os,
    config: {
      User: config.user,
      ExposedPorts: keysOf(config.exposedPorts),
      Env: config.env,
      Entrypoint: config.entrypoint,
      Cmd: config.cmd,
      Volumes: keysOf(config.volumes),
      WorkingDir: config.workingDir,
      Labels: config.labels,
      StopSignal: config.stopSignal,
    },
  };
}

function keysOf(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}
