import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { connectCri, type Cri } from './client.ts';
import { leftovers, podLeftovers, sweep } from './leftovers.ts';
import { claimPlace, type Place, type PlaceOptions } from './place.ts';
import { startServer, type ServerProcess } from './server-process.ts';
import { eventually } from './wait.ts';

const launcher = fileURLToPath(new URL('../../../cmd/gantryd/gantryd', import.meta.url));

/** One gantryd with a place of its own. Disposing of it removes its pods and every trace of it. */
export class Daemon {
  readonly place: Place;
  readonly cri: Cri;
  #process: ServerProcess;

  constructor(place: Place, server: ServerProcess) {
    this.place = place;
    this.cri = connectCri(place.socket);
    this.#process = server;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#process.isRunning();
  }

  /** SIGTERM, as an operator or systemd ends it: containers go on running. It has to end in order. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const ending = await this.#process.end('SIGTERM');
    if (ending === 'code 0') return;
    const words = readFileSync(this.place.log, 'utf8').split('\n').slice(-6).join('\n');
    throw new Error(`the daemon did not end in order, but with ${ending}:\n${words}`);
  }

  /** SIGKILL, at whatever it is doing. */
  async kill(): Promise<void> {
    await this.#process.end('SIGKILL');
  }

  async start(): Promise<void> {
    this.#process = await launch(this.place);
    // The client does not try to connect all the time, and fails calls meanwhile.
    await eventually('the client is connected again', async () =>
      this.cri.version({}).then(
        () => true,
        () => false,
      ),
    );
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async removeAllPods(): Promise<void> {
    const { items } = await this.cri.listPodSandbox({});
    for (const { id } of items) {
      await this.cri.stopPodSandbox({ podSandboxId: id });
      await this.cri.removePodSandbox({ podSandboxId: id });
    }
  }

  /** What its pods left, now that there are none. The kernel gets some time for what it does behind. */
  async leaks(): Promise<string[]> {
    const isClean = () => podLeftovers(this.place).length === 0;
    await eventually('nothing is left', isClean, 5000).catch(() => {});
    return podLeftovers(this.place);
  }

  /** Removes its pods and ends it. Nothing of either may be on the machine then. */
  async takeDown(): Promise<void> {
    await this.removeAllPods();
    const leaks = await this.leaks();
    await this.stop();
    const left = new Set([...leaks, ...(await leftovers(this.place))]);
    if (left.size > 0) throw new Error(`left behind:\n${[...left].join('\n')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using undo = new AsyncDisposableStack();
    undo.use(this.place);
    undo.defer(() => sweep(this.place));
    undo.defer(() => this.stop());
    undo.use(this.cri);
    if (this.isRunning) await this.removeAllPods();
  }
}

/** Starts a daemon on a place of its own and waits until it serves. */
export async function startDaemon(options: PlaceOptions = {}): Promise<Daemon> {
  const place = await claimPlace(options);
  try {
    return new Daemon(place, await launch(place));
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

async function launch(place: Place): Promise<ServerProcess> {
  const { netns } = place;
  const inside = netns === undefined ? [] : ['nsenter', `--net=/run/netns/${netns}`, '--'];
  return startServer({
    command: [...inside, launcher, '--config', place.config],
    log: place.log,
    ready: /"message":"serving"/,
  });
}
