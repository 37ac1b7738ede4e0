/** A pod from its image to its removal, on a daemon and a registry of its own. See hack/quickstart. */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import type { Cri } from '#harness/client.ts';
import { startDaemon, type Daemon } from '#harness/daemon.ts';
import { buildImage, busyboxLayer } from '#harness/image.ts';
import { untilInterrupted } from '#harness/interruption.ts';
import {
  containerConfig,
  createContainer,
  exec,
  forever,
  podConfig,
  podStatus,
  readLog,
  shell,
} from '#harness/pods.ts';
import { push, startRegistry } from '#harness/registry.ts';
import { eventually } from '#harness/wait.ts';

const { values: options } = parseArgs({
  options: { image: { type: 'string' }, keep: { type: 'boolean', default: false } },
});

const interrupted = untilInterrupted();

function show(what: string, text: string): void {
  console.log(`${what.padEnd(10)} ${text}`);
}

/** Runs `work`, unless Ctrl-C came first, and returns its result with the time that it took. */
async function timed<Result>(work: () => Promise<Result>) {
  interrupted.throwIfAborted();
  const start = performance.now();
  const result = await work();
  return { result, took: `${(performance.now() - start).toFixed(1)} ms` };
}

async function quickstart(): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const reference = options.image ?? (await localImage(resources));
  const daemon = resources.use(await startDaemon());
  show('gantryd', `pid ${daemon.pid}, socket ${daemon.place.socket}`);

  const { took } = await timed(async () => pull(daemon.cri, reference));
  show('pull', `${reference} in ${took}`);
  await runPod(daemon, reference);
  if (options.keep) await keep(daemon);
  await daemon.takeDown();
  show('clean', 'no mount, namespace, process, bridge, cgroup or firewall rule is left');
}

/** An image of this machine's busybox, in a registry on loopback. */
async function localImage(resources: AsyncDisposableStack): Promise<string> {
  const registry = resources.use(await startRegistry());
  const reference = await push(registry.host, buildImage([busyboxLayer()]), 'busybox');
  show('registry', `${registry.host}, with an image of this machine's busybox`);
  return reference;
}

async function pull(cri: Cri, image: string): Promise<void> {
  await cri.pullImage({ image: { image } }, { signal: interrupted, timeoutMs: 600_000 });
}

async function runPod({ cri, place }: Daemon, image: string): Promise<void> {
  const config = podConfig({ place });
  const script = `echo "hello from $(hostname), process $$"; ${forever.command.at(-1)}`;
  const { result, took } = await timed(async () => {
    const { podSandboxId } = await cri.runPodSandbox({ config });
    const pod = { id: podSandboxId, config };
    const containerId = await createContainer(cri, pod, containerConfig(image, shell(script)));
    await cri.startContainer({ containerId });
    return { podSandboxId, containerId };
  });
  const { network } = await podStatus(cri, result.podSandboxId);
  show('pod', `${config.metadata?.name}, address ${network?.ip}`);
  show('container', `started ${took} after the pod was asked for`);

  const { status } = await cri.containerStatus({ containerId: result.containerId });
  const [line] = await eventually('the container writes', async () => {
    const lines = await readLog(status?.logPath ?? '');
    return lines.length > 0 && lines;
  });
  show('log', line?.text ?? '');
  const { result: output, took: execTook } = await timed(async () =>
    exec(cri, result.containerId, 'ip -4 -o address show eth0'),
  );
  show('exec', `${output.stdout.trim()}  (${execTook})`);
}

async function keep({ place }: Daemon): Promise<void> {
  console.log(`
It stays up until Ctrl-C. In another terminal:
  .tools/bin/crictl --config ${place.crictlConfig} pods
  .tools/bin/crictl --config ${place.crictlConfig} ps`);
  await once(interrupted, 'abort');
}

try {
  await quickstart();
  if (!options.keep) {
    console.log(`
To have it for good: hack/run, and then
  .tools/bin/crictl --runtime-endpoint unix:///run/gantry/gantry.sock pods`);
  }
} catch (error) {
  console.error(`quickstart: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
