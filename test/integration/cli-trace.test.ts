import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import grpc from '@grpc/grpc-js';
import { type Daemon, startDaemon } from './harness/daemon.ts';
import { gantry, launcher } from './harness/gantry.ts';
import {
  containerConfig,
  createContainer,
  exec,
  forever,
  runContainer,
  runPod,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

type Sent = {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
};

let folder: string;
let daemon: Daemon;
let collector: ReturnType<typeof createServer>;
const sent: Sent[] = [];

/** An OCI runtime that waits in `create` until a file is there, and is crun in all else. */
const slowRuntime = (gate: string) => `#!/bin/sh
case " $* " in *" create "*) while [ ! -e ${gate} ]; do sleep 0.05; done ;; esac
exec crun "$@"
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-trace-'));
  await writeFile(join(folder, 'slow'), slowRuntime(join(folder, 'gate')));
  await chmod(join(folder, 'slow'), 0o755);
  collector = createServer((request, response) => {
    const take = async (): Promise<void> => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- OTLP
      const body = (await json(request)) as {
        resourceSpans: { scopeSpans: { spans: Sent[] }[] }[];
      };
      for (const { scopeSpans } of body.resourceSpans) {
        for (const { spans } of scopeSpans) sent.push(...spans);
      }
      response.writeHead(200).end('{}');
    };
    void take();
  });
  await once(collector.listen(0, '127.0.0.1'), 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a TCP server
  const { port } = collector.address() as AddressInfo;
  daemon = await startDaemon({
    extraConfig: `[tracing]
endpoint = "http://127.0.0.1:${port}/v1/traces"
[runtime.handlers]
crun = { path = "crun" }
slow = { path = "${join(folder, 'slow')}" }
`,
  });
  await daemon.cri.pullImage({ image: { image: inject('busybox') } });
});
afterAll(async () => {
  await writeFile(join(folder, 'gate'), '');
  await daemon[Symbol.asyncDispose]();
  collector.closeAllConnections();
  collector.close();
  await rm(folder, { recursive: true });
});

const trace = async (...args: readonly string[]) =>
  JSON.parse(await gantry(daemon.place, 'trace', '--json', ...args));

test('tells what a pod’s start consisted of', async () => {
  const pod = await runPod(daemon);
  const id = await runContainer(daemon.cri, pod, containerConfig(inject('busybox'), forever));
  await exec(daemon.cri, id, 'true');
  await daemon.cri.stopPodSandbox({ podSandboxId: pod.id });
  const { latest } = await trace('-n', '100');
  const stagesOf = (name: string) => {
    const found = latest.find((operation: { name: string }) => operation.name === name);
    expect(found.durationMs, name).toBeGreaterThan(0);
    for (const stage of found.stages) {
      expect(stage.startedAtMs).toBeGreaterThanOrEqual(found.startedAtMs);
    }
    return found.stages.map((stage: { name: string }) => stage.name);
  };
  expect(stagesOf('RunPodSandbox')).toEqual(['namespace', 'files', 'network']);
  expect(stagesOf('CreateContainer')).toEqual(expect.arrayContaining(['snapshot', 'spec']));
  expect(stagesOf('StartContainer')).toEqual(expect.arrayContaining(['monitor', 'runtime']));
  expect(stagesOf('ExecSync')).toEqual(['runtime']);
  expect(stagesOf('StopPodSandbox')).toEqual(expect.arrayContaining(['kill', 'network']));
  expect(stagesOf('PullImage')).toEqual(expect.arrayContaining(['resolve']));
  const { latest: own } = await trace(id.slice(0, 12));
  expect(own.length).toBeGreaterThan(0);
  for (const { attributes } of own) expect(attributes.containerId).toBe(id);

  const command = `stty rows 50 columns 150; ${launcher} trace RunPodSandbox`;
  const { stdout } = await execa('script', ['-qec', command, '/dev/null'], {
    env: { GANTRY_ADDRESS: daemon.place.adminSocket, NO_COLOR: '1' },
  });
  expect(stdout).toContain('The slowest of the last hour');
  expect(stdout).toMatch(/ {2}namespace +█+ +\d+\.\d+ ms/);
  const columns = (await gantry(daemon.place, 'trace', 'RunPodSandbox')).split('\n');
  expect(columns[0]?.split('\t')).toHaveLength(6);
});

test('tells what is stuck, since when, and on which program', async () => {
  const pod = await runPod(daemon, {}, 'slow');
  const containerId = await createContainer(
    daemon.cri,
    pod,
    containerConfig(inject('busybox'), forever),
  );
  const starting = daemon.cri.startContainer({ containerId });
  // Waits for the lock that the start holds.
  const removing = daemon.cri.removeContainer({ containerId });
  const running = await eventually('both are under way', async () => {
    const { running: all } = await trace();
    return all.length === 2 && all[0].waits.length > 1 && all;
  });
  expect(running[0]).toMatchObject({ name: 'StartContainer', attributes: { containerId } });
  expect(running[0].stages.at(-1)).toMatchObject({ name: 'monitor' });
  expect(running[0].stages.at(-1)).not.toHaveProperty('durationMs');
  const commands = running[0].waits.map((wait: { command: string }) => wait.command).join('\n');
  expect(commands).toContain('conmon');
  expect(commands).toContain(join(folder, 'slow'));
  for (const { pid, state } of running[0].waits) expect([pid > 0, state]).toEqual([true, 'S']);
  expect(running[1]).toMatchObject({ name: 'RemoveContainer', stages: [{ name: 'lock' }] });
  const { stdout } = await execa('script', ['-qec', `${launcher} trace`, '/dev/null'], {
    env: { GANTRY_ADDRESS: daemon.place.adminSocket, NO_COLOR: '1' },
  });
  expect(stdout).toMatch(/StartContainer .* goes on/);
  expect(stdout).toMatch(/pid \d+ \(.*slow.*\): state S, waiting in \w+/);
  expect(stdout).toContain(
    `waits for StartContainer (request ${running[0].id}) on the same object`,
  );
  await writeFile(join(folder, 'gate'), '');
  await Promise.all([starting, removing]);
  expect((await trace()).running).toEqual([]);
});

test('sends spans to a collector, as parts of the caller’s trace', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const client = new grpc.Client(`unix:${daemon.place.socket}`, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  metadata.set('traceparent', `00-${traceId}-00f067aa0ba902b7-01`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.makeUnaryRequest(
    '/runtime.v1.RuntimeService/Version',
    () => Buffer.alloc(0),
    (bytes: Buffer) => bytes,
    Buffer.alloc(0),
    metadata,
    (error) => (error === null ? resolve() : reject(error)),
  );
  await promise;
  client.close();
  const pod = await runPod(daemon);
  const find = (name: string) => sent.find((span) => span.name === name);
  await eventually('the spans come', () =>
    sent.some((span) => span.name === 'Version' && span.traceId === traceId),
  );
  expect(await readFile(daemon.place.log, 'utf8')).toContain(
    `"rpc":"Version","traceId":"${traceId}"`,
  );
  expect(sent.find((span) => span.traceId === traceId)).toMatchObject({
    name: 'Version',
    parentSpanId: '00f067aa0ba902b7',
  });
  await eventually('those of the pod come', () => find('RunPodSandbox') && find('namespace'));
  const parent = sent.find(({ spanId }) => spanId === find('namespace')?.parentSpanId);
  expect(parent).toMatchObject({ name: 'RunPodSandbox', traceId: find('namespace')?.traceId });
  await daemon.cri.removePodSandbox({ podSandboxId: pod.id });
});

test('tells what the daemon itself waits for when it does not answer', async () => {
  process.kill(daemon.pid, 'SIGSTOP');
  try {
    const { exitCode, stderr } = await execa(launcher, ['trace'], {
      env: { GANTRY_ADDRESS: daemon.place.adminSocket },
      reject: false,
    });
    expect(exitCode).toBe(3);
    expect(stderr).toContain('gantryd has not answered');
    expect(stderr).toMatch(new RegExp(`pid ${daemon.pid} \\(.*\\): state T, waiting in \\w+`));
  } finally {
    process.kill(daemon.pid, 'SIGCONT');
  }
});
