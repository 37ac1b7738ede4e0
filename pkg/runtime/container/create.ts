import { isAbsolute, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { faultCode, Fault } from '#errors/fault.ts';
import { cgroupOf } from '#runtime/cgroup-path.ts';
import { now } from '#runtime/clock.ts';
import { type Engine, handlerOf, type ImageForContainer } from '#runtime/engine.ts';
import { type ContainerId, newContainerId } from '#runtime/id.ts';
import type { OciRuntime } from '#runtime/oci-runtime.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import { makeBundle } from './bundle.ts';
import { checkResources, warnOfLimits } from './check-resources.ts';
import { type Container, type ContainerConfig, containerKey } from './container.ts';
import { ImageVolumeFault } from './image-volumes.ts';
import { releaseContainer } from './remove.ts';

/**
 * Makes a container: its root file system and its OCI bundle. Nothing runs yet. A call that repeats a
 * running one, or one that succeeded, gets the same container.
 */
export async function createContainer(
  engine: Engine,
  sandboxId: string,
  config: ContainerConfig,
): Promise<ContainerId> {
  const sandbox = engine.sandboxes.get(sandboxId);
  const key = containerKey(sandbox.id, config);
  const existing = engine.containers.byKey(key);
  if (existing !== undefined && !isDeepStrictEqual(existing.config, config)) {
    const sentence = `container "${config.metadata.name}" (attempt ${config.metadata.attempt}) exists with another configuration, as "${existing.id}"`;
    throw new Fault('already-exists', sentence);
  }
  const isRunning = engine.creatingContainers.isRunning(key);
  const isMade = existing !== undefined && existing.state.kind !== 'creating';
  if (isMade && !isRunning) return existing.id;
  return engine.creatingContainers.run(key, async () => {
    // What an earlier creation failed to undo has to go first: it holds the name.
    if (existing !== undefined) await releaseContainer(engine, existing);
    return makeContainer(engine, sandbox, config);
  });
}

async function makeContainer(
  engine: Engine,
  sandbox: Sandbox,
  config: ContainerConfig,
): Promise<ContainerId> {
  checkReady(engine, sandbox);
  checkPrivileged(sandbox, config);
  checkReadOnly(handlerOf(engine, sandbox.config.runtimeHandler), config);
  const image = engine.images.find(config.image);
  if (image === undefined) {
    throw new Fault(
      'not-found',
      `create container "${config.metadata.name}": image "${config.image}" is not on this node`,
    );
  }
  const container = newContainer(engine, sandbox, { config, image });
  using _held = await engine.locks.hold(container.id);
  engine.containers.put(container);
  try {
    checkResources(engine, config.resources);
    warnOfLimits(engine, container);
    const facts = await makeBundle(engine, sandbox, { container, image });
    // The pod may have been stopped meanwhile; nobody would stop this container then.
    checkReady(engine, sandbox);
    engine.containers.put({ ...container, ...facts, state: { kind: 'created' } });
    return container.id;
  } catch (cause) {
    await discard(engine, container);
    if (cause instanceof ImageVolumeFault) throw cause;
    throw new Fault(faultCode(cause), `create container "${config.metadata.name}"`, { cause });
  }
}

function checkReady(engine: Engine, { id }: Sandbox): void {
  if (engine.sandboxes.find(id)?.state === 'ready') return;
  throw new Fault('failed-precondition', `sandbox "${id}" is not ready`);
}

/** What admits a pod to a node looks at the pod: a container must not have more than it says. */
function checkPrivileged(sandbox: Sandbox, { metadata, security }: ContainerConfig): void {
  if (!security.privileged || sandbox.config.privileged) return;
  const sentence = `create container "${metadata.name}": it is privileged, and its sandbox is not`;
  throw new Fault('invalid-argument', sentence);
}

/** kubelet knows the message by its first word. */
function checkReadOnly(
  { name, features }: OciRuntime,
  { metadata, mounts }: ContainerConfig,
): void {
  const wish = mounts.find(({ recursiveReadOnly }) => recursiveReadOnly);
  if (wish === undefined || features.recursiveReadOnlyMounts) return;
  const sentence = `create container "${metadata.name}": mount "${wish.containerPath}" recursively read-only: the handler "${name}" or the kernel cannot`;
  throw new Fault('failed-precondition', `RROUnsupported: ${sentence}`);
}

function newContainer(
  engine: Engine,
  sandbox: Sandbox,
  { config, image }: { readonly config: ContainerConfig; readonly image: ImageForContainer },
): Container {
  const id = newContainerId();
  const { logDirectory, runtimeHandler } = sandbox.config;
  return {
    id,
    sandboxId: sandbox.id,
    config,
    state: { kind: 'creating' },
    createdAt: now(),
    image: {
      id: image.id,
      name: image.repoTags[0] ?? (config.userSpecifiedImage || config.image),
      ref: image.repoDigests[0] ?? image.id,
    },
    runtimeHandler: handlerOf(engine, runtimeHandler).name,
    cgroupPath: cgroupOf(sandbox.cgroup, id),
    logPath: logPathOf(config.logPath, logDirectory),
    resources: config.resources,
    stopSignal: config.stopSignal === '' ? image.config.stopSignal : config.stopSignal,
  };
}

/** Without a log path, or a folder for it, the output goes nowhere. */
function logPathOf(logPath: string, logDirectory: string): string {
  if (logPath === '' || logDirectory === '') return '';
  const path = isAbsolute(logPath) ? logPath : join(logDirectory, logPath);
  // conmon's option for it ends there.
  if (!path.includes(':')) return path;
  throw new Fault('invalid-argument', `log_path "${path}": a colon cannot be in it`);
}

/** Undoes a failed creation. What cannot be undone keeps its record, for RemoveContainer and recovery. */
async function discard(engine: Engine, container: Container): Promise<void> {
  try {
    await releaseContainer(engine, container);
  } catch (error) {
    engine.log.warn({ containerId: container.id, error }, 'a failed creation is not undone yet');
  }
}
