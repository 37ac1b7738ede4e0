import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectoryInRoot, readFileInRoot } from '#linux/in-root.ts';
import { writeWhole } from '#linux/write-file.ts';
import { applyEdits } from '#runtime/cdi/apply.ts';
import { findEdits } from '#runtime/cdi/devices.ts';
import { type Engine, handlerOf, type ImageForContainer } from '#runtime/engine.ts';
import { openToRoot } from '#runtime/folder-access.ts';
import { given } from '#runtime/given.ts';
import { podHostname } from '#runtime/sandbox/files.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { confinementOf } from '#runtime/spec/confinement.ts';
import { stringifyExact } from '#runtime/spec/exact-json.ts';
import { seccompOf } from '#runtime/spec/seccomp-of.ts';
import type { PodFiles } from '#runtime/spec/mounts.ts';
import { buildSpec } from '#runtime/spec/spec.ts';
import { resolveUser } from '#runtime/spec/user.ts';
import { stage } from '#trace/span.ts';
import type { Container } from './container.ts';
import { hostMounts } from './host-mounts.ts';
import { mountImageVolumes } from './image-volumes.ts';
import { containerNamespaces } from './namespaces.ts';
import { rdtOf } from './rdt.ts';
import { mountRootfs, type PodUsers } from './rootfs.ts';

/** More than any image's account files should hold. */
const maxAccountFileBytes = 4 * 1024 * 1024;

type Parts = { readonly container: Container; readonly image: ImageForContainer };

/**
 * Mounts the container's root file system and writes its OCI bundle. Returns what was learnt of the
 * container on the way.
 */
export async function makeBundle(
  engine: Engine,
  sandbox: Sandbox,
  { container, image }: Parts,
): Promise<Pick<Container, 'user' | 'hasStartHooks' | 'imageRefs'>> {
  const { id, config } = container;
  const paths = engine.layout.container(id);
  mkdirSync(paths.rootfs, { recursive: true, mode: 0o700 });
  openToRoot(paths.folder, sandbox.config.userNamespace);
  if (container.logPath !== '') {
    mkdirSync(dirname(container.logPath), { recursive: true, mode: 0o755 });
  }
  const users = podUsers(engine, sandbox);
  const runtime = handlerOf(engine, container.runtimeHandler);
  await stage('snapshot', async () =>
    mountRootfs(
      await engine.images.prepareRootfs(id, image.id, runtime.snapshotter),
      paths.rootfs,
      users,
    ),
  );
  for (const volume of image.config.volumes) {
    makeDirectoryInRoot(paths.rootfs, volume, users?.mapping.hostId ?? 0);
  }
  const user = resolveUser(config.security, image.config.user, {
    passwd: readFileInRoot(paths.rootfs, '/etc/passwd', maxAccountFileBytes),
    group: readFileInRoot(paths.rootfs, '/etc/group', maxAccountFileBytes),
  });
  const volumes = await stage('image', () => mountImageVolumes(engine, container, users));
  return stage('spec', async () => {
    const plain = buildSpec({
      sandbox,
      container,
      image: image.config,
      user,
      rootfs: paths.rootfs,
      hostname: podHostname(sandbox.id, sandbox.config),
      files: podFiles(engine, sandbox),
      mounts: [...(await hostMounts(engine.hostPaths, config.mounts)), ...volumes.mounts],
      namespaces: containerNamespaces(engine, sandbox, config),
      seccomp: seccompOf(config.security, engine.limits),
      confinement: await confinementOf(config.security, engine.limits.confinement),
      rdt: rdtOf(engine, sandbox, container),
      limits: engine.limits,
    });
    const spec = applyEdits(plain, await findEdits(config.cdiDevices, engine.cdiSpecDirs));
    const filter = engine.seccompFilters.annotations(id, runtime, spec.linux.seccomp);
    const annotations = { ...spec.annotations, ...filter };
    writeWhole(paths.config, stringifyExact({ ...spec, annotations }), 0o600);
    writeWhole(paths.process, stringifyExact(spec.process), 0o600);
    const hasStartHooks = spec.hooks?.['poststart'] === undefined ? undefined : true;
    return { user, imageRefs: volumes.imageRefs, ...given({ hasStartHooks }) };
  });
}

/** A pod that shares the node's IPC has its shared memory, too. */
function podFiles(engine: Engine, { id, config }: Sandbox): PodFiles {
  const files = engine.layout.sandbox(id);
  return config.namespaces.ipc === 'node' ? { ...files, shm: '/dev/shm' } : files;
}

function podUsers(engine: Engine, { id, config }: Sandbox): PodUsers | undefined {
  const { userNamespace: mapping } = config;
  if (mapping === undefined) return undefined;
  return { pin: engine.layout.sandbox(id).namespace('user'), mapping };
}
