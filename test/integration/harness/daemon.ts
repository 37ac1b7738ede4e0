import { fileURLToPath } from 'node:url';
import { connectCri, type Cri } from './client.ts';
import { leftovers, sweep } from './leftovers.ts';
import { claimPlace, type Place, type PlaceOptions } from './place.ts';
import { startServer, type ServerProcess } from './server-process.ts';
import { eventually } from './wait.ts';

const main = fileURLToPath(new URL('../../../cmd/gantryd/main.ts', import.meta.url));

/** One gantryd with a place of its own. Disposing of it removes its pods and every trace of it. */
export class Daemon {
  readonly place: Place;
  readonly cri: Cri;
  #process: ServerProcess;
  #idle: readonly string[] = [];

  constructor(place: Place, server: ServerProcess) {
    this.place = place;
    this.cri = connectCri(place.socket);
    this.#process = server;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** SIGTERM, as an operator or systemd ends it: containers go on running. */
  async stop(): Promise<void> {
    await this.#process.end('SIGTERM');
  }

  /** SIGKILL, at whatever it is doing. */
  async kill(): Promise<void> {
    await this.#process.end('SIGKILL');
  }

  async start(): Promise<void> {
    this.#process = await launch(this.place);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Remembers what is there now as what may be there without pods. */
  async markIdle(): Promise<void> {
    this.#idle = await leftovers(this.place);
  }

  async removeAllPods(): Promise<void> {
    const { items } = await this.cri.listPodSandbox({});
    for (const { id } of items) {
      await this.cri.stopPodSandbox({ podSandboxId: id });
      await this.cri.removePodSandbox({ podSandboxId: id });
    }
  }

  /** What is there beyond the idle state; the kernel gets some time to finish what it does behind. */
  async leaks(): Promise<string[]> {
    let found: string[] = [];
    const gone = eventually(
      'nothing leaks',
      async () => {
        found = (await leftovers(this.place)).filter((line) => !this.#idle.includes(line));
        return found.length === 0;
      },
      5000,
    );
    await gone.catch(() => {});
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#process.isRunning()) await this.removeAllPods();
    } finally {
      this.cri[Symbol.dispose]();
      await this.stop();
      await sweep(this.place);
      await this.place[Symbol.asyncDispose]();
    }
  }
}

/** Starts a daemon on a place of its own and waits until it serves. */
export async function startDaemon(options: PlaceOptions = {}): Promise<Daemon> {
  const place = await claimPlace(options);
  try {
    const daemon = new Daemon(place, await launch(place));
    await daemon.markIdle();
    return daemon;
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

async function launch(place: Place): Promise<ServerProcess> {
  return startServer({
    command: [process.execPath, '--no-concurrent-sparkplug', main, '--config', place.config],
    log: place.log,
    ready: /"message":"serving"/,
  });
}
