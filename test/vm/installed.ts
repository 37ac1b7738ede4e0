import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { PodSandboxConfig } from '#api/cri/v1/types.ts';
import { connectCri, type Cri, type Draft } from '#harness/client.ts';
import { containerConfig, forever, podConfig, runContainer, uniqueName } from '#harness/pods.ts';
import type { Place } from '#harness/place.ts';

/** The installed daemon, where the package's defaults put it. */
export const cri: Cri = connectCri('/run/gantry/gantry.sock');

const directory = '/var/log/gantry-test';

/** Runs systemctl; its output, without the last line's end. */
export function systemctl(...args: readonly string[]): string {
  return execFileSync('systemctl', args, { encoding: 'utf8' }).trim();
}

export function daemonPid(): number {
  return Number(systemctl('show', '--property=MainPID', '--value', 'gantryd'));
}

export type Running = { readonly pod: string; readonly container: string; readonly pid: number };

/** A pod with a container that goes on for ever, in the slice that kubelet would give it. */
export async function runOne(
  image: string,
  overrides: Draft<PodSandboxConfig> = {},
): Promise<Running> {
  mkdirSync(directory, { recursive: true });
  const uid = uniqueName('').slice(1);
  const slices = [
    'kubepods.slice',
    'kubepods-burstable.slice',
    `kubepods-burstable-pod${uid}.slice`,
  ];
  const config = podConfig(
    { place: { directory } as Place },
    { linux: { cgroupParent: `/${slices.join('/')}` }, ...overrides },
  );
  const { podSandboxId: pod } = await cri.runPodSandbox({ config });
  const container = await runContainer(cri, { id: pod, config }, containerConfig(image, forever));
  return { pod, container, pid: await pidOf(container) };
}

export async function pidOf(containerId: string): Promise<number> {
  const { info } = await cri.containerStatus({ containerId, verbose: true });
  return JSON.parse(info['info'] ?? '{}').pid;
}

export async function removeAllPods(): Promise<void> {
  const { items } = await cri.listPodSandbox({});
  for (const { id: podSandboxId } of items) {
    await cri.stopPodSandbox({ podSandboxId });
    await cri.removePodSandbox({ podSandboxId });
  }
}
