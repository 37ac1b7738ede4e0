import { closeSync, mkdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { SpecMount } from '#api/oci/runtime.ts';
import { Fault, faultCode } from '#errors/fault.ts';
import { openDirectoryInRoot } from '#linux/in-root.ts';
import { type Engine, handlerOf, type ImageForContainer } from '#runtime/engine.ts';
import type { Container, ImageVolume } from './container.ts';
import { mountRootfs, type PodUsers } from './rootfs.ts';

/** kubelet knows it by the first word of its message, which must therefore stay the first. */
export class ImageVolumeFault extends Fault {
  constructor(volume: ImageVolume, cause: unknown) {
    const { containerPath, image } = volume;
    const act = `ImageVolumeMountFailed: mount image "${image}" on "${containerPath}"`;
    super(faultCode(cause), act, { cause });
  }
}

export type MountedVolumes = {
  readonly mounts: readonly SpecMount[];
  /** The images by digest, in the order of the container's volumes. */
  readonly imageRefs: readonly string[];
};

/**
 * Mounts the images that a container wants to see as volumes, each in the container's own folder, and
 * read-only: they are files of the image that all its containers share. Who owns the layers is on
 * record under `volumeOwner`, so that they stay, and are given up with the container.
 */
export async function mountImageVolumes(
  engine: Engine,
  { id, config, runtimeHandler }: Container,
  users: PodUsers | undefined,
): Promise<MountedVolumes> {
  const mounts: SpecMount[] = [];
  const imageRefs: string[] = [];
  const { snapshotter } = handlerOf(engine, runtimeHandler);
  for (const [index, volume] of config.imageVolumes.entries()) {
    try {
      const image = findImage(engine, volume);
      const target = join(engine.layout.container(id).volumes, String(index));
      mkdirSync(target, { recursive: true, mode: 0o700 });
      const owner = volumeOwner(id, index);
      const mount = await engine.images.prepareRootfs(owner, image.id, snapshotter);
      mountRootfs(mount, target, users);
      mounts.push(bindOf(volume, target));
      imageRefs.push(image.repoDigests[0] ?? image.id);
    } catch (cause) {
      throw new ImageVolumeFault(volume, cause);
    }
  }
  return { mounts, imageRefs };
}

/** Gives up the layers of a container's volumes, which must be mounted no more. Idempotent. */
export async function releaseImageVolumes(
  engine: Engine,
  { id, config }: Container,
): Promise<void> {
  for (const index of config.imageVolumes.keys()) {
    await engine.images.releaseRootfs(volumeOwner(id, index));
  }
}

/** The name under which the images know a volume of a container. */
function volumeOwner(id: string, index: number): string {
  return `${id}-volume-${index}`;
}

/** The container that a root file system, or a volume, belongs to. */
export function containerOfOwner(owner: string): string {
  return owner.replace(/-volume-\d+$/, '');
}

function findImage(engine: Engine, { image }: ImageVolume): ImageForContainer {
  const found = engine.images.find(image);
  if (found !== undefined) return found;
  throw new Fault('not-found', `image "${image}" is not on this node`);
}

function bindOf(
  { containerPath, subPath, recursiveReadOnly }: ImageVolume,
  target: string,
): SpecMount {
  const access = recursiveReadOnly ? ['ro', 'rro'] : ['ro'];
  return {
    destination: containerPath,
    type: 'bind',
    source: resolveSubPath(target, subPath),
    options: ['rbind', 'rprivate', ...access],
  };
}

/** An image may hold symbolic links to anywhere: they lead to places in the image. */
function resolveSubPath(root: string, subPath: string): string {
  if (subPath === '') return root;
  const fd = openDirectoryInRoot(root, subPath);
  if (fd === undefined) {
    throw new Fault(
      'invalid-argument',
      `image_sub_path: "${subPath}" is no directory of the image`,
    );
  }
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}
