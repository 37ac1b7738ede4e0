import { chownSync, mkdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Fault, faultCode } from '#errors/fault.ts';
import { mountTmpfs } from '#linux/mount.ts';
import { createNamespaces } from '#linux/namespace.ts';
import { createOwnedNamespaces } from '#linux/user-namespace.ts';
import { now } from '#runtime/clock.ts';
import type { Engine } from '#runtime/engine.ts';
import { given } from '#runtime/given.ts';
import { openToRoot } from '#runtime/folder-access.ts';
import { newSandboxId, type SandboxId } from '#runtime/id.ts';
import { stage } from '#trace/span.ts';
import { cgroupToOwn, placeCgroup } from './cgroup.ts';
import { podHostname, writeSandboxFiles } from './files.ts';
import { startInit } from './init.ts';
import { forgetSandbox, releaseSandbox } from './release.ts';
import { type Sandbox, type SandboxConfig, type SandboxNetwork, sandboxKey } from './sandbox.ts';

/** What is learnt of a pod while it is made. */
type Made = Pick<Sandbox, 'init' | 'network'>;

const shmSizeBytes = 64 * 1024 * 1024;

/**
 * Makes a pod: its namespaces, its network, its files. A call that repeats a running one, or one that
 * succeeded, gets the same sandbox: kubelet asks again with the same metadata after a time-out.
 */
export async function runSandbox(engine: Engine, config: SandboxConfig): Promise<SandboxId> {
  const key = sandboxKey(config);
  const existing = engine.sandboxes.byKey(key);
  if (existing !== undefined) {
    checkSame(existing, config);
    if (!engine.runningSandboxes.isRunning(key)) return readyId(existing);
  }
  return engine.runningSandboxes.run(key, () => makeSandbox(engine, config));
}

function checkSame(existing: Sandbox, config: SandboxConfig): void {
  if (isDeepStrictEqual(existing.config, config)) return;
  const sentence = `${nameOf(config)} exists with another configuration, as sandbox "${existing.id}"`;
  throw new Fault('already-exists', sentence);
}

function readyId({ id, config, state }: Sandbox): SandboxId {
  if (state === 'ready') return id;
  throw new Fault(
    'already-exists',
    `${nameOf(config)} exists, stopped, as sandbox "${id}": remove it first`,
  );
}

function nameOf({ metadata }: SandboxConfig): string {
  return `pod "${metadata.namespace}/${metadata.name}" (uid "${metadata.uid}", attempt ${metadata.attempt})`;
}

async function makeSandbox(engine: Engine, config: SandboxConfig): Promise<SandboxId> {
  const cgroup = placeCgroup(engine, config);
  const sandbox: Sandbox = {
    id: newSandboxId(),
    config,
    state: 'creating',
    createdAt: now(),
    cgroup,
    ...given({ ownedCgroup: cgroupToOwn(engine, cgroup) }),
  };
  using _held = await engine.locks.hold(sandbox.id);
  engine.sandboxes.put(sandbox);
  try {
    const made = await makeParts(engine, sandbox);
    engine.sandboxes.put({ ...sandbox, ...made, state: 'ready' });
    return sandbox.id;
  } catch (cause) {
    await discard(engine, sandbox);
    throw new Fault(faultCode(cause), `run ${nameOf(config)}`, { cause });
  }
}

async function makeParts(engine: Engine, sandbox: Sandbox): Promise<Made> {
  const { id, config } = sandbox;
  const paths = engine.layout.sandbox(id);
  mkdirSync(paths.shm, { recursive: true, mode: 0o700 });
  openToRoot(paths.folder, config.userNamespace);
  const namespaces = stage('namespace', () => makeNamespaces(engine, sandbox));
  try {
    // While the system thread makes the namespaces. An error here must not leave that unattended.
    stage('files', () => {
      writeSandboxFiles(paths, id, config);
      mountTmpfs(paths.shm, { sizeBytes: shmSizeBytes, mode: 0o1777 });
      const rootId = config.userNamespace?.hostId ?? 0;
      chownSync(paths.shm, rootId, rootId);
    });
  } finally {
    await namespaces;
  }
  const { pid, network } = config.namespaces;
  const init = pid === 'pod' ? await stage('init', () => startInit(engine, sandbox)) : undefined;
  if (network === 'node') return given({ init });
  return given({ init, network: await stage('network', () => connect(engine, sandbox)) });
}

async function connect(engine: Engine, { id, config, cgroup }: Sandbox): Promise<SandboxNetwork> {
  const { metadata, annotations, dns, portMappings } = config;
  const { address, additionalAddresses } = await engine.network.addPod({
    id,
    netnsPath: engine.layout.sandbox(id).namespace('net'),
    name: metadata.name,
    namespace: metadata.namespace,
    uid: metadata.uid,
    annotations,
    ...given({ dns }),
    portMappings,
    cgroupPath: cgroup.parent,
  });
  return { address, ...given({ additionalAddresses }) };
}

async function makeNamespaces(engine: Engine, { id, config }: Sandbox): Promise<void> {
  const paths = engine.layout.sandbox(id);
  const { namespaces, sysctls } = config;
  const own = {
    ...(namespaces.network === 'pod'
      ? {
          net: paths.namespace('net'),
          uts: paths.namespace('uts'),
          hostname: podHostname(id, config),
        }
      : {}),
    ...(namespaces.ipc === 'pod' ? { ipc: paths.namespace('ipc') } : {}),
  };
  // Sysctls of a pod without namespaces of its own are refused there.
  if (Object.keys(own).length === 0 && Object.keys(sysctls).length === 0) return;
  const { userNamespace: mapping } = config;
  if (mapping === undefined) return createNamespaces(engine.thread, { ...own, sysctls });
  const user = paths.namespace('user');
  await createOwnedNamespaces(engine.thread, { ...own, sysctls, user, mapping });
}

/** Undoes a failed run. What cannot be undone keeps its record, for kubelet to stop and remove. */
async function discard(engine: Engine, sandbox: Sandbox): Promise<void> {
  try {
    await releaseSandbox(engine, sandbox);
    await forgetSandbox(engine, sandbox);
  } catch (error) {
    engine.log.warn({ sandboxId: sandbox.id, error }, 'a failed pod is not undone yet');
    engine.sandboxes.put({ ...sandbox, state: 'stopped' });
  }
}
