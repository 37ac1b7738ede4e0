import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PodSandboxState, Protocol } from '#api/cri/v1/types.ts';
import { type Daemon, startDaemon } from './harness/daemon.ts';
import { podStatus, runPod } from './harness/pods.ts';

/** The host of this daemon is a network namespace of its own: forwarding IPv6 is nothing for ours. */
const netns = `gantry-dual-${process.pid}`;
let daemon: Daemon;

const onHost = (...command: string[]): string =>
  execFileSync('ip', ['netns', 'exec', netns, ...command], { encoding: 'utf8' });

beforeAll(async () => {
  execFileSync('ip', ['netns', 'add', netns]);
  onHost('ip', 'link', 'set', 'lo', 'up');
  daemon = await startDaemon({ subnet6: 'fd00:213::/64', netns });
});

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  execFileSync('ip', ['netns', 'delete', netns]);
});

async function addressesOf(id: string): Promise<string[]> {
  const { network } = await podStatus(daemon.cri, id);
  return [network?.ip ?? '', ...(network?.additionalIps ?? []).map(({ ip }) => ip ?? '')];
}

it('the status of a pod tells its addresses of both families, also after a restart', async () => {
  const pod = await runPod(daemon);
  const addresses = await addressesOf(pod.id);
  expect(addresses).toEqual([expect.stringMatching(/^10\.213\.\d+\.2$/), 'fd00:213::2']);
  await daemon.restart();
  expect(await addressesOf(pod.id)).toEqual(addresses);
  const other = await runPod(daemon);
  expect((await addressesOf(other.id))[1]).toBe('fd00:213::3');
});

it('host ports of both families outlive a daemon that was killed', async () => {
  const hostPort = 8080;
  const portMappings = [{ protocol: Protocol.TCP, containerPort: 80, hostPort }];
  const pod = await runPod(daemon, { portMappings });
  const rules = () => onHost('nft', 'list', 'table', 'inet', `gantry-${daemon.place.bridge}`);
  expect(rules().match(/tcp \. 8080/g)).toHaveLength(2);
  await daemon.kill();
  onHost('nft', 'flush', 'ruleset');
  await daemon.start();
  expect(rules().match(/tcp \. 8080/g)).toHaveLength(2);

  const second = runPod(daemon, { portMappings });
  const holder = `pod "default/${pod.config.metadata?.name}" \\(${pod.id.slice(0, 13)}\\) has it`;
  await expect(second).rejects.toMatchObject({ details: expect.stringMatching(holder) });
  await daemon.cri.stopPodSandbox({ podSandboxId: pod.id });
  expect(rules()).not.toContain('8080');
});

it('a namespace that was deleted behind the back of the daemon is told of, and the pod goes', async () => {
  const pod = await runPod(daemon);
  execFileSync('umount', [join(daemon.place.state, 'sandboxes', pod.id, 'net')]);
  await daemon.restart();
  const { items } = await daemon.cri.listPodSandbox({ filter: { id: pod.id } });
  expect(items).toMatchObject([{ state: PodSandboxState.SANDBOX_NOTREADY }]);
  await daemon.cri.stopPodSandbox({ podSandboxId: pod.id });
  await daemon.cri.removePodSandbox({ podSandboxId: pod.id });
});

it('leaves nothing of itself on its host', async () => {
  await daemon.removeAllPods();
  await daemon.restart();
  await daemon.stop();
  expect(onHost('nft', 'list', 'ruleset')).toBe('');
  expect(onHost('ip', '-o', 'link')).not.toContain('gantry');
  await daemon.start();
});
