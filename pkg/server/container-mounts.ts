import { resolve } from 'node:path';
import type * as cri from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import type { ContainerConfig, ContainerMount, ImageVolume } from '#runtime/container/container.ts';
import { given } from '#runtime/given.ts';
import type { SandboxConfig } from '#runtime/sandbox/sandbox.ts';
import { absolutePath, enumMember, required } from './required.ts';
import { mountMapping } from './user-namespace.ts';

/** Checks the mounts of a container: of the node's files, and of images. */
export function containerMounts(
  mounts: readonly cri.Mount[],
  sandbox: SandboxConfig,
): Pick<ContainerConfig, 'mounts' | 'imageVolumes'> {
  const fields = mounts.map((mount, index) => ({ mount, field: `config.mounts[${index}]` }));
  const [images, files] = [fields.filter(isImage), fields.filter((item) => !isImage(item))];
  return {
    mounts: files.map(({ mount, field }) => containerMount(mount, field, sandbox)),
    imageVolumes: images.map(({ mount, field }) => imageVolume(mount, field)),
  };
}

function isImage({ mount }: { readonly mount: cri.Mount }): boolean {
  return (mount.image?.image ?? '') !== '';
}

function imageVolume(mount: cri.Mount, field: string): ImageVolume {
  if (!mount.readonly) {
    throw new Fault('invalid-argument', `${field}.readonly: an image is mounted read-only or not`);
  }
  if (mount.hostPath !== '') {
    throw new Fault('invalid-argument', `${field}.host_path: is not for a mount of an image`);
  }
  return {
    containerPath: placeOf(mount, field),
    image: required(mount.image?.image, `${field}.image.image`),
    subPath: mount.imageSubPath,
    recursiveReadOnly: mount.recursiveReadOnly,
  };
}

/** Without empty parts, so that the same place is always written the same way. */
function placeOf({ containerPath }: cri.Mount, field: string): string {
  const path = resolve(absolutePath(containerPath, `${field}.container_path`));
  if (path !== '/') return path;
  throw new Fault('invalid-argument', `${field}.container_path: "/" is the root filesystem's`);
}

function containerMount(mount: cri.Mount, field: string, sandbox: SandboxConfig): ContainerMount {
  const { readonly, recursiveReadOnly } = mount;
  const propagation = enumMember(
    { 0: 'private', 1: 'host-to-container', 2: 'bidirectional' } as const,
    mount.propagation,
    `${field}.propagation`,
  );
  if (recursiveReadOnly && !(readonly && propagation === 'private')) {
    throw new Fault(
      'invalid-argument',
      `${field}.recursive_read_only asks for readonly and private propagation`,
    );
  }
  return {
    containerPath: placeOf(mount, field),
    hostPath: absolutePath(mount.hostPath, `${field}.host_path`),
    readonly,
    recursiveReadOnly,
    propagation,
    ...given({ mapping: mountMapping(mount, sandbox.userNamespace, field) }),
  };
}
