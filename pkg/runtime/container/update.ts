import { readFileSync, renameSync } from 'node:fs';
import type { Spec } from '#api/oci/runtime.ts';
import { Fault, faultCode } from '#errors/fault.ts';
import { writeWhole } from '#linux/write-file.ts';
import { type CgroupLimits, type Engine, handlerOf } from '#runtime/engine.ts';
import { given } from '#runtime/given.ts';
import { type OciRuntime, updateResources } from '#runtime/oci-runtime.ts';
import { parseExact, stringifyExact } from '#runtime/spec/exact-json.ts';
import { resourcesOf, withoutEndlessQuota } from '#runtime/spec/resources.ts';
import { checkMemoryInUse, checkResources } from './check-resources.ts';
import type { Container, ContainerResources } from './container.ts';

/**
 * Changes a container's limits; what `changes` does not name stays as it is. The bundle is changed
 * first, for it is what a later start reads; of a running container the cgroup follows, and if the
 * kernel refuses, the bundle goes back.
 */
export async function updateContainer(
  engine: Engine,
  idOrPrefix: string,
  changes: ContainerResources,
): Promise<void> {
  const { id } = engine.containers.get(idOrPrefix);
  using _held = await engine.locks.hold(id);
  const container = engine.containers.get(id);
  const resources = mergeResources(container.resources, changes);
  try {
    checkResources(engine, resources);
    if (container.state.kind === 'running') {
      checkMemoryInUse(engine, container, changes.memoryLimitBytes);
    }
    writeResources(engine, container, resources);
    if (container.state.kind === 'running') await applyToCgroup(engine, container, resources);
  } catch (cause) {
    await restore(engine, container);
    throw new Fault(faultCode(cause), `update container "${id}"`, { cause });
  }
  // Its state may have changed meanwhile: an end is recorded without the lock.
  engine.containers.put({ ...engine.containers.get(id), resources });
}

/**
 * Hugepage limits replace those of the same page size, unified keys those of the same name. Who had no
 * swap has none with another limit of memory either: the two are counted together.
 */
export function mergeResources(
  old: ContainerResources,
  changes: ContainerResources,
): ContainerResources {
  const sizes = new Set(changes.hugepageLimits.map(({ pageSize }) => pageSize));
  const kept = old.hugepageLimits.filter(({ pageSize }) => !sizes.has(pageSize));
  const { memoryLimitBytes = 0, memorySwapLimitBytes = 0 } = old;
  const hadNoSwap = memorySwapLimitBytes > 0 && memorySwapLimitBytes === memoryLimitBytes;
  return {
    ...old,
    ...(hadNoSwap ? given({ memorySwapLimitBytes: changes.memoryLimitBytes }) : {}),
    ...changes,
    hugepageLimits: [...kept, ...changes.hugepageLimits],
    unified: { ...old.unified, ...changes.unified },
  };
}

/** Takes back what was changed before the kernel, or a full disk, refused the rest. */
async function restore(engine: Engine, container: Container): Promise<void> {
  const { id, state, resources } = container;
  try {
    writeResources(engine, container, resources);
    if (state.kind === 'running') await applyToCgroup(engine, container, resources);
  } catch (error) {
    engine.log.warn({ containerId: id, error }, 'limits that were refused are not all taken back');
  }
}

/** By rename, so that a start never finds half a specification. */
function writeResources(engine: Engine, { id }: Container, resources: ContainerResources): void {
  const path = engine.layout.container(id).config;
  const spec = parseExact<Spec>(readFileSync(path, 'utf8'));
  const { devices } = spec.linux.resources;
  const limits = resourcesOf(withoutEndlessQuota(resources), devices, engine.limits.cgroups);
  const linux = { ...spec.linux, resources: limits };
  writeWhole(`${path}.new`, stringifyExact({ ...spec, linux }), 0o600);
  renameSync(`${path}.new`, path);
}

/** A container that has ended by now has no cgroup to change. */
async function applyToCgroup(
  engine: Engine,
  { id, runtimeHandler, cgroupPath }: Container,
  resources: ContainerResources,
): Promise<void> {
  const runtime = handlerOf(engine, runtimeHandler);
  const { folder } = engine.layout.container(id);
  try {
    const isUnified = engine.cgroups.mounts.mode === 'unified';
    const told = isUnified ? resources : withoutEndlessQuota(resources);
    await updateResources(runtime, { id, folder }, resourcesOf(told, [], engine.limits.cgroups));
    await engine.cgroups.setLimits(cgroupPath, beyond(engine, runtime, resources));
  } catch (error) {
    await engine.exits.check(engine, id);
    if (engine.containers.find(id)?.state.kind === 'running') throw error;
  }
}

/** What OCI runtimes do not change: runc no huge pages, and on cgroup v1 none takes a quota away. */
function beyond(
  { cgroups, limits }: Engine,
  { kind }: OciRuntime,
  { cpuQuota = 0, hugepageLimits }: ContainerResources,
): CgroupLimits {
  const isEndless = cpuQuota < 0 && cgroups.mounts.mode !== 'unified';
  const pages = hugepageLimits.map(({ pageSize, limitBytes }) => [pageSize, limitBytes] as const);
  return {
    ...(isEndless ? { cpu: { quotaUs: 'max' } } : {}),
    ...(kind !== 'crun' && limits.cgroups.hugetlb ? { hugetlb: Object.fromEntries(pages) } : {}),
  };
}
