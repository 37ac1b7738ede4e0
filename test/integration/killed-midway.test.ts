import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { NamespaceMode, type PodSandboxConfig } from '#api/cri/v1/types.ts';
import type { Draft } from './harness/client.ts';
import { type Daemon, startDaemon } from './harness/daemon.ts';
import { containerConfig, createContainer, forever, podConfig } from './harness/pods.ts';

let folder: string;
let daemon: Daemon;

/** crun; but when the file `plan` says `<command> <before|after>`, the daemon is killed there, once. */
const script = (plan: string) => `#!/bin/sh
if [ -e ${plan} ]; then
  read -r command moment pid <${plan}
  for word; do
    [ "$word" = "$command" ] || continue
    mv ${plan} ${plan}.done
    [ $moment = after ] && { crun "$@"; status=$?; kill -9 $pid; exit $status; }
    kill -9 $pid
  done
fi
exec crun "$@"
`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-midway-'));
  const path = join(folder, 'odd');
  writeFileSync(path, script(join(folder, 'plan')), { mode: 0o755 });
  const extraConfig = `[runtime]\ndefault_handler = "odd"\n[runtime.handlers]\nodd = { path = "${path}" }\n`;
  daemon = await startDaemon({ extraConfig });
  await daemon.cri.pullImage({ image: { image: inject('busybox') } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function planDeath(command: string, moment: string): void {
  writeFileSync(join(folder, 'plan'), `${command} ${moment} ${daemon.pid}\n`);
}

/** All that kubelet does with a pod, each step given up when the daemon is gone. */
async function live(config: Draft<PodSandboxConfig>): Promise<void> {
  const { cri } = daemon;
  const { podSandboxId: id } = await cri.runPodSandbox({ config });
  const container = containerConfig(inject('busybox'), forever);
  const containerId = await createContainer(cri, { id, config }, container);
  await cri.startContainer({ containerId });
  await cri.updateContainerResources({ containerId, linux: { cpuShares: 512 } });
  await cri.stopContainer({ containerId, timeout: 0 });
  await cri.removeContainer({ containerId });
  await cri.stopPodSandbox({ podSandboxId: id });
  await cri.removePodSandbox({ podSandboxId: id });
}

const commands = ['run', 'create', 'start', 'update', 'delete'];

it.each(commands.flatMap((command) => ['before', 'after'].map((moment) => [command, moment])))(
  'a daemon that is killed at "%s", %s it, leaves nothing that cannot be removed',
  async (command = '', moment = '') => {
    planDeath(command, moment);
    const config = podConfig(daemon, {
      linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } },
    });
    await expect(live(config)).rejects.toMatchObject({ code: 14 });
    expect(existsSync(join(folder, 'plan'))).toBe(false);
    await daemon.kill();
    await daemon.start();
    // kubelet asks again for what it has not been told of.
    await live({ ...config, metadata: { ...config.metadata, name: 'again' } });
    await daemon.removeAllPods();
    expect(await daemon.leaks()).toEqual([]);
  },
);
