/** A containerd that serves the CRI on directories of its own, with crun, for pods on the node's network. */
import { execa } from 'execa';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectCri, type Cri } from '#harness/client.ts';
import { unmountBelow } from '#harness/leftovers.ts';
import { startServer } from '#harness/server-process.ts';
import type { Peers } from './bench-peers.ts';

export type Containerd = AsyncDisposable & {
  readonly cri: Cri;
  readonly pid: number;
  readonly socket: string;
};

const configuration = (at: (name: string) => string, image: string) => `version = 2
root = "${at('root')}"
state = "${at('state')}"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "${at('socket')}"
[ttrpc]
address = "${at('ttrpc')}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${image}"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${at('cni')}"
conf_dir = "${at('cni')}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "crun"
`;

/** `image` is what its pods' first process is from; it must go on by itself. */
export async function startContainerd(
  { environment }: Peers,
  directory: string,
  image: string,
): Promise<Containerd> {
  const at = (name: string) => join(directory, name);
  mkdirSync(directory);
  writeFileSync(at('config.toml'), configuration(at, image));
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const server = await startServer({
    command: ['env', ...variables, 'containerd', '--config', at('config.toml')],
    log: at('log'),
    ready: /containerd successfully booted/,
  });
  const cri = connectCri(at('socket'));
  return {
    cri,
    pid: server.pid,
    socket: at('socket'),
    [Symbol.asyncDispose]: async () => {
      const { items } = await cri.listPodSandbox({});
      for (const { id: podSandboxId } of items) {
        await cri.stopPodSandbox({ podSandboxId });
        await cri.removePodSandbox({ podSandboxId });
      }
      cri[Symbol.dispose]();
      await server.end('SIGTERM');
      await unmountBelow(directory);
      await execa('rm', ['-rf', directory]);
    },
  };
}
