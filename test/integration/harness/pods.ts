import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ContainerState,
  NamespaceMode,
  type ContainerConfig,
  type ContainerStatus,
  type PodSandboxConfig,
  type PodSandboxStatus,
} from '#api/cri/v1/types.ts';
import type { Cri, Draft } from './client.ts';
import type { Daemon } from './daemon.ts';
import { eventually } from './wait.ts';

export type Pod = { readonly id: string; readonly config: Draft<PodSandboxConfig> };

/** A name that no other test has. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`;
}

/** The configuration of an ordinary pod, as kubelet sends it; `overrides` replaces whole fields. */
export function podConfig(
  { place }: Pick<Daemon, 'place'>,
  overrides: Draft<PodSandboxConfig> = {},
): Draft<PodSandboxConfig> {
  const name = uniqueName('pod');
  return {
    metadata: { name, namespace: 'default', uid: `uid-${name}`, attempt: 0 },
    hostname: name,
    logDirectory: join(place.directory, 'logs', name),
    linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } } },
    ...overrides,
  };
}

/** `runtimeHandler` is the name of one; the default one is meant when it is empty. */
export async function runPod(
  daemon: Daemon,
  overrides?: Draft<PodSandboxConfig>,
  runtimeHandler = '',
): Promise<Pod> {
  const config = podConfig(daemon, overrides);
  const { podSandboxId } = await daemon.cri.runPodSandbox({ config, runtimeHandler });
  return { id: podSandboxId, config };
}

/** A container of `image` that logs to `<name>.log`; `overrides` replaces whole fields. */
export function containerConfig(
  image: string,
  overrides: Draft<ContainerConfig> = {},
): Draft<ContainerConfig> {
  const name = uniqueName('container');
  return {
    metadata: { name, attempt: 0 },
    image: { image, userSpecifiedImage: image },
    logPath: `${name}.log`,
    ...overrides,
  };
}

export async function createContainer(
  cri: Cri,
  pod: Pod,
  config: Draft<ContainerConfig>,
): Promise<string> {
  const request = { podSandboxId: pod.id, config, sandboxConfig: pod.config };
  return (await cri.createContainer(request)).containerId;
}

/** Creates and starts a container; returns its id. */
export async function runContainer(
  cri: Cri,
  pod: Pod,
  config: Draft<ContainerConfig>,
): Promise<string> {
  const containerId = await createContainer(cri, pod, config);
  await cri.startContainer({ containerId });
  return containerId;
}

export function sh(script: string): readonly string[] {
  return ['/bin/sh', '-c', script];
}

/** A script that ends at once on SIGTERM, as process 1 does only if it asks for it. */
export function shell(script: string): { readonly command: readonly string[] } {
  return { command: sh(`trap 'exit 143' TERM; ${script}`) };
}

/** Goes on until it is stopped. */
export const forever = shell('while :; do sleep 1000 & wait; done');

export async function containerStatus(cri: Cri, containerId: string): Promise<ContainerStatus> {
  const { status } = await cri.containerStatus({ containerId });
  if (status === null) throw new Error(`container ${containerId} has no status`);
  return status;
}

export async function podStatus(cri: Cri, podSandboxId: string): Promise<PodSandboxStatus> {
  const { status } = await cri.podSandboxStatus({ podSandboxId });
  if (status === null) throw new Error(`pod ${podSandboxId} has no status`);
  return status;
}

/** The status of a container once it has exited. */
export async function waitForExit(cri: Cri, containerId: string): Promise<ContainerStatus> {
  return eventually(`container ${containerId} exits`, async () => {
    const status = await containerStatus(cri, containerId);
    return status.state === ContainerState.CONTAINER_EXITED && status;
  });
}

/** Runs a container to its end; returns its last status and what it wrote to its log. */
export async function runToEnd(
  cri: Cri,
  pod: Pod,
  config: Draft<ContainerConfig>,
): Promise<{ readonly status: ContainerStatus; readonly stdout: string; readonly stderr: string }> {
  const status = await waitForExit(cri, await runContainer(cri, pod, config));
  const lines = await readLog(status.logPath);
  const text = (stream: string) =>
    lines
      .filter((line) => line.stream === stream)
      .map((line) => line.text + (line.tag === 'F' ? '\n' : ''))
      .join('');
  return { status, stdout: text('stdout'), stderr: text('stderr') };
}

export type LogLine = {
  readonly time: string;
  readonly stream: string;
  readonly tag: string;
  readonly text: string;
};

/** The lines of a log in the format that kubelet reads: `<time> <stream> <P or F> <text>`. */
export async function readLog(path: string): Promise<LogLine[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
  return lines.map((line) => {
    const [, time, stream, tag, text] = /^(\S+) (stdout|stderr) ([PF]) (.*)$/.exec(line) ?? [];
    if (time === undefined || stream === undefined || tag === undefined || text === undefined) {
      throw new Error(`not a line of a CRI log: ${line}`);
    }
    return { time, stream, tag, text };
  });
}

/** Waits until a container has written a line; returns its status. */
export async function logged(
  cri: Cri,
  containerId: string,
  line: string,
): Promise<ContainerStatus> {
  const status = await containerStatus(cri, containerId);
  await eventually(`container ${containerId} writes "${line}"`, async () =>
    (await readLog(status.logPath)).some(({ text }) => text === line),
  );
  return status;
}

export type ExecResult = {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs a command in a container and waits for its end. */
export async function exec(cri: Cri, containerId: string, script: string): Promise<ExecResult> {
  const { exitCode, stdout, stderr } = await cri.execSync({
    containerId,
    cmd: sh(script),
    timeout: 30,
  });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}
