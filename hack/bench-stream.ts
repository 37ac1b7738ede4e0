/** Measures sessions of gantryd against those of containerd, in alternation in one run. */
import { execa } from 'execa';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NamespaceMode } from '#api/cri/v1/types.ts';
import type { Cri } from '#harness/client.ts';
import { type Daemon, startDaemon } from '#harness/daemon.ts';
import { buildImage, busyboxLayer } from '#harness/image.ts';
import { untilInterrupted } from '#harness/interruption.ts';
import { containerConfig, forever, type Pod, podConfig, runContainer } from '#harness/pods.ts';
import { push, startRegistry } from '#harness/registry.ts';
import { eventually } from '#harness/wait.ts';
import { type Containerd, startContainerd } from './bench-containerd.ts';
import { median } from './bench-median.ts';
import { bringPeers, describePeers } from './bench-peers.ts';
import { type AttachTransfer, fromAttached, intoAttached } from './bench-stream-attach.ts';
import { countBytes, openSpdy } from './bench-stream-clients.ts';
import { isSameThroughPort, isSameThroughProgram } from './bench-stream-identity.ts';
import { memoryKib } from './bench-usage.ts';

const usage = `Usage: hack/bench stream [--rounds N] [--transfers N] [--mib N] [--sessions N] [--execs N]
       [--without-containerd]

  --rounds N            repetitions of \`crictl exec true\` (30)
  --transfers N         repetitions of each transfer (5)
  --mib N               size of a transfer (1024)
  --sessions N          sessions that are open at once while memory is measured (200)
  --execs N             execs after which nothing may be left (2000)`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    transfers: { type: 'string', default: '5' },
    mib: { type: 'string', default: '1024' },
    sessions: { type: 'string', default: '200' },
    execs: { type: 'string', default: '2000' },
    'without-containerd': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const interrupted = untilInterrupted();
const crictl = fileURLToPath(new URL('../.tools/bin/crictl', import.meta.url));
const peersFolder = fileURLToPath(new URL('../.cache/bench-images/peers', import.meta.url));
const mib = Number(options.mib);
const transferBytes = mib * 2 ** 20;

/** A container with a shell, on the node's network, of one runtime. */
type Subject = {
  readonly name: string;
  readonly cri: Cri;
  readonly socket: string;
  readonly podSandboxId: string;
  readonly pod: Pod;
  readonly image: string;
  readonly containerId: string;
};

async function subjectOf(
  name: string,
  { cri, socket }: { readonly cri: Cri; readonly socket: string },
  { image, daemon }: { readonly image: string; readonly daemon: Daemon },
): Promise<Subject> {
  await cri.pullImage({ image: { image } });
  const base = podConfig(daemon);
  const namespaceOptions = { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER };
  // A pod on the node's network has the node's name.
  const config = {
    ...base,
    hostname: '',
    linux: { securityContext: { namespaceOptions } },
  };
  const { podSandboxId } = await cri.runPodSandbox({ config });
  const pod = { id: podSandboxId, config };
  const containerId = await runContainer(cri, pod, containerConfig(image, forever));
  return { name, cri, socket, podSandboxId, pod, image, containerId };
}

function crictlArgs({ socket }: Subject, ...args: readonly string[]): string[] {
  return ['--config', '/dev/null', '--runtime-endpoint', `unix://${socket}`, ...args];
}

/** Returns milliseconds. */
type Act = (subject: Subject) => Promise<number>;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Medians of what an act takes with each subject, in alternation; the first time is not counted. */
async function alternate(subjects: readonly Subject[], rounds: number, act: Act) {
  const times = new Map(subjects.map((subject) => [subject, [] as number[]]));
  for (let round = -1; round < rounds; round += 1) {
    for (const subject of subjects) {
      interrupted.throwIfAborted();
      const ms = await act(subject);
      if (round >= 0) times.get(subject)?.push(ms);
    }
  }
  return subjects.map((subject) => median(times.get(subject) ?? []));
}

const execTrue: Act = (subject) =>
  timed(() => execa(crictl, crictlArgs(subject, 'exec', subject.containerId, 'true')));

const zeros = ['dd', 'if=/dev/zero', 'bs=64k', `count=${mib * 16}`, 'status=none'];

const bySpdy: Act = (subject) =>
  timed(() =>
    execa(crictl, crictlArgs(subject, 'exec', subject.containerId, ...zeros), { stdout: 'ignore' }),
  );

const byWebSocket: Act = async ({ cri, containerId }) => {
  const { url } = await cri.exec({ containerId, cmd: zeros, stdout: true });
  return timed(async () => {
    const bytes = await countBytes(url);
    if (bytes !== transferBytes) throw new Error(`${bytes} of ${transferBytes} bytes came`);
  });
};

/** NaN where not all that was sent has come. */
const intoExec: Act = async (subject) => {
  const words = crictlArgs(subject, 'exec', '-i', subject.containerId, 'dd', 'of=/dev/null');
  const command = `head -c ${transferBytes} /dev/zero | "$0" "$@" bs=64k iflag=fullblock`;
  let said = '';
  const taken = await timed(async () => {
    said = (await execa('sh', ['-c', command, crictl, ...words])).stderr;
  });
  return said.includes(`${mib * 16}+0 records in`) ? taken : Number.NaN;
};

function attachTransfer(subject: Subject): AttachTransfer {
  const attach = (id: string) => [crictl, ...crictlArgs(subject, 'attach', '-i', id)];
  return { ...subject, attach, mib };
}

const fromAttach: Act = (subject) => fromAttached(attachTransfer(subject));
const intoAttach: Act = (subject) => intoAttached(attachTransfer(subject));

/** Serves on the node's network, and forwards a port to there through the subject's pod, for a while. */
async function withPort<Result>(
  { subject, transport }: { readonly subject: Subject; readonly transport: string },
  serve: (socket: Socket) => void,
  use: (port: number) => Promise<Result>,
): Promise<Result> {
  const server = createServer({ allowHalfOpen: true }, serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const words = [`--transport=${transport}`, subject.podSandboxId, `:${port}`];
  const args = crictlArgs(subject, 'port-forward', ...words);
  const client = spawn(crictl, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = await once(client.stdout.setEncoding('utf8'), 'data');
    return await use(Number(/127\.0\.0\.1:(\d+) ->/.exec(line)?.[1]));
  } finally {
    client.kill('SIGKILL');
    server.close();
  }
}

/** Sends zeros to whoever connects. */
function sendZeros(socket: Socket): void {
  const chunk = Buffer.alloc(64 * 1024);
  let left = transferBytes;
  const write = (): void => {
    while (left > 0) {
      left -= chunk.length;
      if (!socket.write(chunk)) return;
    }
    socket.end();
  };
  socket.on('drain', write).on('error', () => {});
  write();
}

async function readZeros(port: number): Promise<void> {
  let bytes = 0;
  const socket = connect(port, '127.0.0.1').on('data', (data) => (bytes += data.length));
  await once(socket, 'end');
  if (bytes !== transferBytes) throw new Error(`${bytes} of ${transferBytes} bytes came`);
}

/** From a server on the node's network to a client there. */
const throughPort: Act = (subject) =>
  withPort({ subject, transport: 'spdy' }, sendZeros, (port) => timed(() => readZeros(port)));

/** The ways on which bytes did not come back as they were sent. */
async function spoiltWays(subject: Subject): Promise<string[]> {
  const spoilt: string[] = [];
  for (const transport of ['spdy', 'websocket']) {
    const words = ['exec', `--transport=${transport}`, '-i', subject.containerId, 'cat'];
    const command = [crictl, ...crictlArgs(subject, ...words)];
    if (!(await isSameThroughProgram(command, transferBytes))) spoilt.push(`exec, ${transport}`);
    const isSame = await withPort(
      { subject, transport },
      (socket) => socket.on('error', () => {}).pipe(socket),
      (port) => isSameThroughPort(port, transferBytes),
    );
    if (!isSame) spoilt.push(`port-forward, ${transport}`);
  }
  return spoilt;
}

/** What so many sessions take of the daemon that do nothing, or whose clients do not read. MiB. */
async function sessionMemory(subject: Subject, pid: number) {
  const rss = () => memoryKib(pid).rss / 1024;
  const open = async (cmd: readonly string[]) => {
    const { url } = await subject.cri.exec({
      containerId: subject.containerId,
      cmd,
      stdin: true,
      stdout: true,
    });
    return openSpdy(url);
  };
  const before = rss();
  const idle = await Promise.all(
    Array.from({ length: Number(options.sessions) }, () => open(['cat'])),
  );
  const withIdle = rss();
  for (const { socket } of idle) socket.destroy();
  const stopped = await Promise.all(Array.from({ length: 20 }, () => open(['cat', '/dev/zero'])));
  const settled = rss();
  // Until nothing moves any more: those who send are held up.
  let last = Number.NaN;
  const withStopped = await eventually('it settles', () => {
    const now = rss();
    const isSettled = now === last;
    last = now;
    return isSettled && now;
  });
  for (const { socket } of stopped) socket.destroy();
  return { before, withIdle, settled, withStopped };
}

/** How many descriptors and files are there more than before. */
async function leaksOf(subject: Subject, pid: number, state: string) {
  const count = () => ({
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    files: readdirSync(join(state, 'containers', subject.containerId)).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
  });
  await execTrue(subject);
  const before = { ...count(), rss: memoryKib(pid).rss };
  let left = Number(options.execs);
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      interrupted.throwIfAborted();
      await execTrue(subject);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  await eventually('connections end', () => count().descriptors <= before.descriptors).catch(
    () => {},
  );
  const after = count();
  return {
    descriptors: after.descriptors - before.descriptors,
    files: after.files - before.files,
    threads: after.threads - before.threads,
    rssMib: (memoryKib(pid).rss - before.rss) / 1024,
  };
}

function row(what: string, values: readonly number[], format: (value: number) => string): void {
  const [own = Number.NaN, peer] = values;
  const ratio =
    peer === undefined || Number.isNaN(peer)
      ? ''
      : `(${(own / peer).toFixed(2)}x of containerd's time)`;
  console.log(
    [what.padEnd(38), ...values.map((value) => format(value).padEnd(14)), ratio].join(''),
  );
}

const ms = (value: number) => `${value.toFixed(1)} ms`;
const rate = (value: number) =>
  Number.isNaN(value) ? 'loses bytes' : `${Math.round(mib / (value / 1000))} MiB/s`;

async function measure(): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const registry = resources.use(await startRegistry());
  const image = await push(
    registry.host,
    buildImage([busyboxLayer()], { Cmd: [...forever.command] }),
    'busybox',
  );
  const directory = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const daemon = resources.use(await startDaemon());
  const where = { image, daemon };
  const own = await subjectOf('gantry', { cri: daemon.cri, socket: daemon.place.socket }, where);
  const subjects = [own];
  if (!options['without-containerd']) {
    const peers = await bringPeers(peersFolder);
    console.log(await describePeers(peers));
    const peer: Containerd = resources.use(
      await startContainerd(peers, join(directory, 'containerd'), image),
    );
    subjects.push(await subjectOf('containerd', peer, where));
  }
  const transfers = Number(options.transfers);
  console.log(['median'.padEnd(38), ...subjects.map(({ name }) => name.padEnd(14))].join(''));
  row('crictl exec true', await alternate(subjects, Number(options.rounds), execTrue), ms);
  row('from exec, SPDY (crictl)', await alternate(subjects, transfers, bySpdy), rate);
  row('from exec, WebSocket', await alternate(subjects, transfers, byWebSocket), rate);
  row('into exec, SPDY (crictl)', await alternate(subjects, transfers, intoExec), rate);
  row('from attach, SPDY (crictl)', await alternate(subjects, transfers, fromAttach), rate);
  row('into attach, SPDY (crictl)', await alternate(subjects, transfers, intoAttach), rate);
  row(
    'through port-forward, SPDY (crictl)',
    await alternate(subjects, transfers, throughPort),
    rate,
  );
  const spoilt = await spoiltWays(own);
  console.log(
    `\n${mib} MiB there and back: ${spoilt.length === 0 ? 'the same' : `SPOILT by ${spoilt.join(' and ')}`}`,
  );
  console.log(
    `\n${options.sessions} open sessions, RSS in MiB:`,
    await sessionMemory(own, daemon.pid),
  );
  console.log(
    `after ${options.execs} execs, more than before:`,
    await leaksOf(own, daemon.pid, daemon.place.state),
  );
}

if (options.help) console.log(usage);
else await measure();
