import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';
import { check, setns, unshare } from '#linux/libc.ts';
import { mountPointsUnder, unmount } from '#linux/mount.ts';
import { createNamespaces, removeNamespace } from '#linux/namespace.ts';
import {
  closeHomeNamespaces,
  type HomeNamespaces,
  namespaceFlags,
  openHomeNamespaces,
} from '#linux/namespace-home.ts';
import { setUp } from '#linux/netlink/link-request.ts';
import { newDefaultRoute } from '#linux/netlink/route.ts';
import { NetlinkSocket } from '#linux/netlink/socket.ts';
import { openSystemThread, type SystemThread } from '#linux/system-thread.ts';
import { createLog, type Log } from '#log/log.ts';
import type { PodPlace } from '#network/address-table.ts';
import type { HostPort } from '#network/host-port.ts';
import { type NetworkConfig, openPodNetwork, type PodNetwork } from '#network/pod-network.ts';
import { type Database, openDatabase } from '#store/database.ts';

/** Addresses of the host towards the outside, and of who is there. */
export const hostOutside = '203.0.113.1';
export const outside = '203.0.113.2';
export const hostOutside6 = '2001:db8::1';
export const outside6 = '2001:db8::2';
export const outsideMtu = 1300;

/** The host's own namespace, as nsenter(1) takes it. */
export const hostNetns = `/proc/${process.pid}/task/${process.pid}/ns/net`;

/** A pod's place, with its addresses by themselves. */
export type Pod = PodPlace & {
  readonly address: string;
  readonly gateway: string;
  /** The second address, where there is one. */
  readonly address6: string;
  readonly gateway6: string;
};

/**
 * A host for each test of a file: a network namespace of its own, in which the test's thread, and with
 * it the system thread and each program started, runs. Beyond it is an outside:
 *
 *   pods ── pods0 (host) world0 ── outside 203.0.113.2, 2001:db8::2
 */
export class SmallWorld {
  readonly config: NetworkConfig;
  readonly logged: string[] = [];
  readonly log: Log = createLog('info', (line) => this.logged.push(line));
  home!: HomeNamespaces;
  host!: NetlinkSocket;
  thread!: SystemThread;
  folder!: string;
  database!: Database;
  network!: PodNetwork;

  constructor(config: NetworkConfig) {
    this.config = config;
  }

  async begin(): Promise<void> {
    this.home = openHomeNamespaces();
    check(unshare(namespaceFlags.net), 'unshare', 'net');
    this.host = new NetlinkSocket();
    this.host.request(setUp('lo'));
    this.thread = openSystemThread();
    this.folder = mkdtempSync(join(tmpdir(), 'gantry-network-'));
    this.database = openDatabase(join(this.folder, 'state.db'));
    this.logged.length = 0;
    await this.#connectOutside();
    this.network = await this.open();
  }

  async end(): Promise<void> {
    await this.thread.close();
    this.database.close();
    this.host[Symbol.dispose]();
    check(setns(this.home.net, namespaceFlags.net), 'setns', 'net');
    closeHomeNamespaces(this.home);
    for (const point of mountPointsUnder(this.folder)) unmount(point);
    rmSync(this.folder, { recursive: true });
  }

  open(change: Partial<NetworkConfig> = {}, nft = () => '/usr/sbin/nft'): Promise<PodNetwork> {
    const { database, thread, log } = this;
    return openPodNetwork({ config: { ...this.config, ...change }, database, thread, log, nft });
  }

  /** A new daemon's view: what the last one wrote down. */
  async restart(change: Partial<NetworkConfig> = {}): Promise<void> {
    this.database.close();
    this.database = openDatabase(join(this.folder, 'state.db'));
    this.network = await this.open(change);
  }

  netns(id: string): string {
    return join(this.folder, id);
  }

  async addPod(id: string, ...portMappings: HostPort[]): Promise<Pod> {
    await createNamespaces(this.thread, { net: this.netns(id) });
    return this.connectPod(id, ...portMappings);
  }

  /** Into a namespace that is there. */
  async connectPod(id: string, ...portMappings: HostPort[]): Promise<Pod> {
    const netnsPath = this.netns(id);
    await this.network.addPod({ id, name: id, namespace: 'default', netnsPath, portMappings });
    return this.placeOf(id);
  }

  placeOf(id: string): Pod {
    const place = this.network.placeOf(id);
    const [primary, second] = place?.addresses ?? [];
    if (place === undefined || primary === undefined) throw new Error(`${id} has a place`);
    const { address, gateway } = primary;
    return {
      ...place,
      address,
      gateway,
      address6: second?.address ?? '',
      gateway6: second?.gateway ?? '',
    };
  }

  async dropPod(id: string): Promise<void> {
    await this.network.removePod(id);
    await removeNamespace(this.thread, this.netns(id));
  }

  async #connectOutside(): Promise<void> {
    const bridge = { name: 'world0', mac: '02:00:00:00:00:01', mtu: outsideMtu };
    const addresses = [
      { address: hostOutside, prefixLength: 24 },
      { address: hostOutside6, prefixLength: 64 },
    ];
    const made = await this.thread.run('ensureBridge', { ...bridge, addresses });
    await createNamespaces(this.thread, { net: this.netns('outside') });
    await this.thread.run('connectPod', {
      bridgeIndex: made.index,
      netnsPath: this.netns('outside'),
      hostInterface: 'world1',
      interfaceName: 'eth0',
      mac: '02:00:00:00:00:02',
      mtu: outsideMtu,
      addresses: [
        { address: outside, prefixLength: 24, gateway: hostOutside },
        { address: outside6, prefixLength: 64, gateway: hostOutside6 },
      ],
    });
    this.host.request(newDefaultRoute(outside), newDefaultRoute(outside6));
  }
}

/** Begins and ends a world around each test of the file that calls this. */
export function useSmallWorld(config: NetworkConfig): SmallWorld {
  const world = new SmallWorld(config);
  // Each question and each server is a process of its own.
  vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });
  beforeEach(() => world.begin());
  afterEach(() => world.end());
  return world;
}

/** What a program prints, inside of the host. */
export function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' });
}

/** All rules of the host. */
export function rules(): string {
  return run('nft', 'list', 'ruleset');
}
