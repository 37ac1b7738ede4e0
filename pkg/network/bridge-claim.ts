import { once } from 'node:events';
import { readlinkSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { Fault, isErrno } from '#errors/fault.ts';
import type { SystemThread } from '#linux/system-thread.ts';

/**
 * The right to a bridge and what is on it. Two daemons with one bridge would take each other's links for
 * orphans, and give the same addresses twice. It is held by an abstract socket (unix(7)), which exists
 * once in the network namespace that the bridge is in, and which the kernel closes with the process.
 */
export class BridgeClaim {
  readonly #bridge: string;
  readonly #thread: SystemThread;
  #isHeld = false;
  #server: Server | undefined;

  constructor(bridge: string, thread: SystemThread) {
    this.#bridge = bridge;
    this.#thread = thread;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** A `failed-precondition` Fault while another process has it. Once taken it stays until release(). */
  async take(): Promise<void> {
    if (this.#isHeld) return;
    const name = `gantry-bridge/${this.#bridge}`;
    const server = createServer((stranger) => stranger.destroy()).unref();
    try {
      await once(server.listen(`\0${name}`), 'listening');
      this.#server = server;
    } catch (error) {
      if (!isErrno(error, 'EADDRINUSE')) throw error;
      await this.#refuseOthers(name);
    }
    this.#isHeld = true;
  }

  release(): void {
    this.#server?.close();
    this.#isHeld = false;
  }

  async #refuseOthers(name: string): Promise<void> {
    const owner = await this.#thread.run('ownerOfAbstractSocket', name);
    if (owner !== undefined && !mayBeDaemon(owner.pid)) return;
    const who = owner === undefined ? 'another daemon' : `another daemon (process ${owner.pid})`;
    const advice = 'each needs a network.bridge and network.subnets of its own';
    throw new Fault(
      'failed-precondition',
      `use bridge "${this.#bridge}": ${who} has it; ${advice}`,
    );
  }
}

/**
 * Any process on the node's network can take a name: those of users and of containers keep no daemon from
 * its bridge. Nor does another network of this process.
 */
function mayBeDaemon(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    const isOfRoot = statSync(`/proc/${pid}`).uid === 0;
    return isOfRoot && readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return false;
    throw error;
  }
}
