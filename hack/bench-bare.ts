/**
 * The work that a pod with one container cannot do without, and nothing else: no gRPC, no records, no
 * locks. Namespaces, veth pair, address and route come from the same system calls as in gantryd; the
 * container is made of the bundle that gantryd wrote for one like it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { claimPlace, type Place } from '#harness/place.ts';
import { sweep } from '#harness/leftovers.ts';
import { mountFilesystem, unmount } from '#linux/mount.ts';
import { createNamespaces, removeNamespace } from '#linux/namespace.ts';
import { openSystemThread } from '#linux/system-thread.ts';
import { parseExact, stringifyExact } from '#runtime/spec/exact-json.ts';
import { tar } from '#harness/tar.ts';
import { busyboxEntries } from '#harness/image.ts';

const namespaceKinds = ['net', 'ipc', 'uts'] as const;
const mtu = 1500;

/** The parts of an OCI bundle's config.json (runtime-spec/config.md) that are made anew per container. */
type Bundle = {
  root: { path: string };
  linux: { cgroupsPath?: string; namespaces: { type: string; path?: string }[] };
};

export type BarePods = AsyncDisposable & {
  /** Makes one pod with one running container; returns what takes it down again. */
  readonly run: () => Promise<() => Promise<void>>;
};

/** Prepares a bridge and a root file system. `template` is the config.json to make containers of. */
export async function prepareBarePods(template: string): Promise<BarePods> {
  const place = await claimPlace();
  const thread = openSystemThread();
  const gateway = place.subnet.replace('.0/24', '.1');
  const { index: bridgeIndex } = await thread.run('ensureBridge', {
    name: place.bridge,
    mac: mac(1),
    mtu,
    addresses: [{ address: gateway, prefixLength: 24 }],
  });
  const lower = join(place.directory, 'lower');
  mkdirSync(lower);
  execFileSync('tar', ['-x', '-C', lower], { input: tar(busyboxEntries()) });
  const bundle = readFileSync(template, 'utf8');

  let count = 1;
  const run = async () => {
    const number = (count % 250) + 2;
    const id = `bare-${count++}`;
    const folder = join(place.directory, id);
    mkdirSync(folder);
    await connect(number, folder);
    const rootfs = mountRoot(lower, folder);
    await startContainer({ place, id, folder, rootfs, bundle });
    return async () => takeDown(id, folder);
  };

  async function connect(number: number, folder: string): Promise<void> {
    const [net, ipc, uts] = namespaceKinds.map((kind) => join(folder, kind));
    if (net === undefined || ipc === undefined || uts === undefined) throw new Error('three kinds');
    await createNamespaces(thread, { net, ipc, uts, hostname: 'bare' });
    await thread.run('connectPod', {
      bridgeIndex,
      netnsPath: net,
      hostInterface: `${place.bridge}-${number}`.slice(0, 15),
      interfaceName: 'eth0',
      mac: mac(number),
      mtu,
      addresses: [
        { address: place.subnet.replace('.0/24', `.${number}`), prefixLength: 24, gateway },
      ],
    });
  }

  async function takeDown(id: string, folder: string): Promise<void> {
    execFileSync('crun', ['--root', join(place.directory, 'crun'), 'delete', '--force', id]);
    unmount(join(folder, 'rootfs'));
    for (const kind of namespaceKinds) await removeNamespace(thread, join(folder, kind));
    rmSync(folder, { recursive: true });
  }

  return {
    run,
    [Symbol.asyncDispose]: async () => {
      await thread.close();
      await sweep(place);
      await place[Symbol.asyncDispose]();
    },
  };
}

function mac(number: number): string {
  return `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`;
}

function mountRoot(lower: string, folder: string): string {
  const [upper, work, rootfs] = ['upper', 'work', 'rootfs'].map((name) => join(folder, name));
  if (upper === undefined || work === undefined || rootfs === undefined) throw new Error('three');
  for (const path of [upper, work, rootfs]) mkdirSync(path);
  const options = [`lowerdir=${lower}`, `upperdir=${upper}`, `workdir=${work}`];
  mountFilesystem({ type: 'overlay', source: 'overlay', options }, rootfs);
  return rootfs;
}

type BareContainer = {
  readonly place: Place;
  readonly id: string;
  readonly folder: string;
  readonly rootfs: string;
  readonly bundle: string;
};

async function startContainer(container: BareContainer): Promise<void> {
  const { place, id, folder } = container;
  writeFileSync(join(folder, 'config.json'), configuration(container));
  const root = join(place.directory, 'crun');
  const conmon = spawn('conmon', monitorArgs(id, folder, root), {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], _OCI_SYNCPIPE: '3' },
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is a pipe, as asked for above
  const [report] = await once(conmon.stdio[3] as Readable, 'data');
  if (!/"data": ?[1-9]/.test(String(report))) throw new Error(`conmon: ${String(report)}`);
  const [exitCode] = await once(spawn('crun', ['--root', root, 'start', id]), 'exit');
  if (exitCode !== 0) throw new Error(`crun start: exit status ${exitCode}`);
}

function configuration({ place, id, folder, rootfs, bundle }: BareContainer): string {
  const config = parseExact<Bundle>(bundle);
  config.root.path = rootfs;
  config.linux.cgroupsPath = `${place.cgroupParent}/${id}`;
  for (const namespace of config.linux.namespaces) {
    if (namespace.path !== undefined) namespace.path = join(folder, fileOf(namespace.type));
  }
  return stringifyExact(config);
}

function monitorArgs(id: string, folder: string, root: string): string[] {
  const settings = {
    'api-version': '1',
    cid: id,
    cuuid: id,
    name: id,
    bundle: folder,
    'container-pidfile': join(folder, 'pid'),
    'log-path': `k8s-file:${join(folder, 'log')}`,
    runtime: '/usr/bin/crun',
  };
  return [
    ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    '--runtime-arg',
    '--root',
    '--runtime-arg',
    root,
    '--full-attach',
    '--no-sync-log',
  ];
}

function fileOf(type: string): string {
  return type === 'network' ? 'net' : type;
}
