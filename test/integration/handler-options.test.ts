import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { NamespaceMode, PodSandboxState } from '#api/cri/v1/types.ts';
import { startDaemon, type Daemon } from './harness/daemon.ts';
import {
  containerConfig,
  exec,
  forever,
  type Pod,
  podConfig,
  podStatus,
  runContainer,
  runPod,
} from './harness/pods.ts';

let folder: string;
let daemon: Daemon;
const busybox = () => inject('busybox');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-handlers-'));
  daemon = await startDaemon({
    extraConfig: `[runtime.handlers]
crun = { path = "crun" }
logging = { path = "crun", options = ["--log", "${folder}/crun.log", "--debug"] }
copying = { path = "runc", snapshotter = "native" }
[runtime.rlimits]
nofile = "512:1000"
[runtime.blockio.slow]
devices = [
  { path = "/dev/loop0", read_bytes_per_second = 1048576 },
  { path = "/dev/null", writes_per_second = 1 },
]
`,
  });
  await daemon.cri.pullImage({ image: { image: busybox() } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function runWith(runtimeHandler: string): Promise<{ pod: Pod; containerId: string }> {
  const pod = await runPod(daemon, {}, runtimeHandler);
  const containerId = await runContainer(daemon.cri, pod, containerConfig(busybox(), forever));
  return { pod, containerId };
}

const rootType = async (containerId: string) =>
  (
    await exec(daemon.cri, containerId, 'awk \'$2 == "/" { print $3 }\' /proc/mounts')
  ).stdout.trim();

it('gives a handler the options that are configured for it', async () => {
  await runWith('crun');
  expect(existsSync(join(folder, 'crun.log'))).toBe(false);
  await runWith('logging');
  expect(existsSync(join(folder, 'crun.log'))).toBe(true);
  await daemon.removeAllPods();
});

it('makes the root filesystems of a handler with its own snapshotter', async () => {
  const { containerId: usual } = await runWith('crun');
  const { containerId } = await runWith('copying');
  expect(await rootType(usual)).toBe('overlay');
  expect(await rootType(containerId)).not.toBe('overlay');
  expect(await exec(daemon.cri, containerId, 'echo x > /y && cat /y')).toMatchObject({
    stdout: 'x\n',
  });
  expect(await exec(daemon.cri, usual, 'cat /y')).toMatchObject({ exitCode: 1 });

  await daemon.kill();
  await daemon.start();
  expect(await exec(daemon.cri, containerId, 'cat /y')).toMatchObject({ stdout: 'x\n' });
  const { containerId: second } = await runWith('copying');
  expect(await exec(daemon.cri, second, 'cat /y')).toMatchObject({ exitCode: 1 });
  await daemon.removeAllPods();
  expect(await daemon.leaks()).toEqual([]);
});

it('unpacks for another snapshotter what many containers ask for at once', async () => {
  await daemon.cri.removeImage({ image: { image: busybox() } });
  await daemon.cri.pullImage({ image: { image: busybox() } });
  const containers = await Promise.all([1, 2, 3].map(() => runWith('copying')));
  for (const { containerId } of containers) {
    expect(await exec(daemon.cri, containerId, 'ls /bin/sh')).toMatchObject({ exitCode: 0 });
  }
  await daemon.removeAllPods();
  expect(await daemon.leaks()).toEqual([]);
});

it('gives containers, and what is run in them, the configured rlimits instead of its own', async () => {
  const { containerId } = await runWith('crun');
  const limits = readFileSync(`/proc/${await pidOf(containerId)}/limits`, 'utf8');
  expect(limits).toMatch(/^Max open files +512 +1000 /m);
  expect(limits).toMatch(/^Max core file size +unlimited +unlimited /m);
  const { stdout } = await exec(daemon.cri, containerId, 'ulimit -Sn; ulimit -Hn');
  expect(stdout).toBe('512\n1000\n');
  // Changing limits writes the bundle anew.
  await daemon.cri.updateContainerResources({ containerId, linux: { cpuShares: 512 } });
  await daemon.removeAllPods();
});

it('puts a container into the block-IO class of its pod, as far as the node can', async () => {
  const annotations = { 'blockio.resources.beta.kubernetes.io/pod': 'slow' };
  const pod = await runPod(daemon, { annotations });
  const containerId = await runContainer(daemon.cri, pod, containerConfig(busybox(), forever));
  const loop = execFileSync('stat', ['-c', '%Hr:%Lr', '/dev/loop0'], { encoding: 'utf8' }).trim();
  expect(await ioLimits(containerId)).toContain(loop);
  const log = readFileSync(daemon.place.log, 'utf8');
  expect(log).toMatch(/"a block-IO class is not, or not all, in force".*\/dev\/null/);
  await daemon.removeAllPods();
});

it.each([
  ['blockio.resources.beta.kubernetes.io/pod', 'runtime.blockio has no such class'],
  ['rdt.resources.beta.kubernetes.io/pod', 'an RDT class is not in force'],
])('warns of an unknown class in the annotation %s, and runs the container', async (key, words) => {
  const pod = await runPod(daemon, { annotations: { [key]: `unknown-${key}` } });
  await runContainer(daemon.cri, pod, containerConfig(busybox(), forever));
  const lines = readFileSync(daemon.place.log, 'utf8').split('\n');
  const warning = lines.find((line) => line.includes(`unknown-${key}`) && line.includes('"warn"'));
  expect(warning).toContain(words);
  await daemon.removeAllPods();
});

it('names the handlers that there are when a pod asks for another one', async () => {
  const request = { config: podConfig(daemon), runtimeHandler: 'kata' };
  await expect(daemon.cri.runPodSandbox(request)).rejects.toMatchObject({
    code: 3,
    details: expect.stringMatching(/no runtime handler "kata" .*crun, logging, copying/),
  });
});

it('lets go of pods whose handler is configured no more', async () => {
  const gone = 'gone = { path = "runc", snapshotter = "native" }\n';
  await using other = await startDaemon({
    extraConfig: `[runtime.handlers]\ncrun = { path = "crun" }\n${gone}`,
  });
  const { cri, place } = other;
  await cri.pullImage({ image: { image: busybox() } });
  const linux = { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } };
  const pod = await runPod(other, { linux }, 'gone');
  await runContainer(cri, pod, containerConfig(busybox(), { ...forever, linux }));
  await other.stop();
  writeFileSync(place.config, readFileSync(place.config, 'utf8').replace(gone, ''));
  await other.start();
  expect((await podStatus(cri, pod.id)).state).toBe(PodSandboxState.SANDBOX_READY);
  await other.takeDown();
});

async function pidOf(containerId: string): Promise<number> {
  const { info } = await daemon.cri.containerStatus({ containerId, verbose: true });
  return JSON.parse(info['info'] ?? '{}').pid;
}

/** The limits on devices of a container's cgroup, on cgroup v1 or v2. */
async function ioLimits(containerId: string): Promise<string> {
  const cgroups = readFileSync(`/proc/${await pidOf(containerId)}/cgroup`, 'utf8');
  const legacy = /:blkio:(.*)/.exec(cgroups)?.[1];
  const path =
    legacy === undefined
      ? join('/sys/fs/cgroup', /^0::(.*)/m.exec(cgroups)?.[1] ?? '', 'io.max')
      : join('/sys/fs/cgroup/blkio', legacy, 'blkio.throttle.read_bps_device');
  return readFileSync(path, 'utf8');
}
