import { rm } from 'node:fs/promises';
import { removeNamespace } from '#linux/namespace.ts';
import type { Engine } from '#runtime/engine.ts';
import { stage } from '#trace/span.ts';
import { releaseCgroup } from './cgroup.ts';
import { stopInit } from './init.ts';
import type { Sandbox } from './sandbox.ts';

/** Gives back the pod's address and lets go of its namespaces, so that the kernel ends them. Idempotent. */
export async function releaseSandbox(engine: Engine, sandbox: Sandbox): Promise<void> {
  const paths = engine.layout.sandbox(sandbox.id);
  await stage('network', () => engine.network.removePod(sandbox.id));
  await stage('init', () => stopInit(engine, sandbox));
  await stage('namespace', async () => {
    for (const kind of ['net', 'ipc', 'uts', 'pid', 'user'] as const) {
      await removeNamespace(engine.thread, paths.namespace(kind));
    }
  });
  await stage('unmount', () => engine.unmounter.unmountUnder(paths.folder));
}

/** Removes what is left of a released sandbox that has no containers, its record last. Idempotent. */
export async function forgetSandbox(engine: Engine, sandbox: Sandbox): Promise<void> {
  await stage('cgroup', () => releaseCgroup(engine, sandbox));
  await rm(engine.layout.sandbox(sandbox.id).folder, { recursive: true, force: true });
  engine.sandboxes.delete(sandbox);
}
