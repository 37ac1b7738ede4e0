/** What `hack/bench images` measures gantryd's pulls against. Nothing else in the project needs these. */
import { execa } from 'execa';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startServer } from '#harness/server-process.ts';
import type { BenchLayer } from './bench-image-layers.ts';

/** Debian's packages, unpacked beside each other, not installed. */
export type Peers = { readonly directory: string; readonly environment: NodeJS.ProcessEnv };

const packages = ['containerd', 'isal', 'libisal2'];

/** Finds the packages in `directory`, or brings them. */
export async function bringPeers(directory: string): Promise<Peers> {
  const archives = join(directory, 'archives');
  if (!existsSync(archives)) {
    console.error(`bringing ${packages.join(', ')}`);
    const partial = `${archives}.partial`;
    mkdirSync(partial, { recursive: true });
    await execa('apt-get', ['download', '-q', ...packages], { cwd: partial });
    const unpack = `for each in *.deb; do dpkg-deb --extract "$each" "${directory}"; done`;
    await execa('sh', ['-ec', `${unpack}; mv "${partial}" "${archives}"`], { cwd: partial });
  }
  const binaries = join(directory, 'usr/bin');
  return {
    directory,
    environment: {
      PATH: `${binaries}:${process.env['PATH']}`,
      LD_LIBRARY_PATH: join(directory, 'usr/lib/x86_64-linux-gnu'),
      // Else containerd would run unpigz where there is one.
      CONTAINERD_DISABLE_PIGZ: '1',
    },
  };
}

/** One line about what is compared. */
export async function describePeers({ environment }: Peers): Promise<string> {
  const { stdout } = await execa('containerd', ['--version'], { env: environment });
  const helpers = ['unpigz', 'pigz', 'igzip'].map(async (name) => {
    const { failed } = await execa('sh', ['-c', `command -v ${name}`], {
      env: environment,
      reject: false,
    });
    return `${name} ${failed ? 'is not' : 'is'} there`;
  });
  return `${stdout}; CONTAINERD_DISABLE_PIGZ=1; ${(await Promise.all(helpers)).join(', ')}`;
}

/** Pulls with a containerd on new directories below `directory`. Seconds, and its peak memory in MiB. */
export async function pullWithContainerd(
  { environment }: Peers,
  reference: string,
  directory: string,
): Promise<{ readonly seconds: number; readonly peakMib: number }> {
  const at = (name: string) => join(directory, name);
  mkdirSync(directory);
  const config = `version = 2
root = "${at('root')}"
state = "${at('state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "${at('socket')}"
[ttrpc]
address = "${at('ttrpc')}"
`;
  writeFileSync(at('config.toml'), config);
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const server = await startServer({
    command: ['env', ...variables, 'containerd', '--config', at('config.toml')],
    log: at('log'),
    ready: /containerd successfully booted/,
  });
  try {
    const ctr = ['--address', at('socket'), 'images', 'pull', '--plain-http', reference];
    const start = performance.now();
    await execa('ctr', ctr, { env: environment });
    return { seconds: (performance.now() - start) / 1000, peakMib: peakMib(server.pid) };
  } finally {
    await server.end('SIGTERM');
    await unmountBelow(directory);
  }
}

/** containerd may end before it has given back its temporary mounts. */
async function unmountBelow(directory: string): Promise<void> {
  const targets = readFileSync('/proc/mounts')
    .toString()
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${directory}/`));
  for (const target of targets) await execa('umount', [target]);
}

const unpackers = { gzip: 'igzip -dc', zstd: 'zstd -dc' };

/** The floor: decompresses and unpacks the local layers, two at a time, and verifies nothing. Seconds. */
export async function unpackOnly(
  { environment }: Peers,
  layers: readonly BenchLayer[],
  directory: string,
): Promise<number> {
  mkdirSync(directory);
  const commands = layers.map(({ path, compression }, n) => {
    const target = join(directory, String(n));
    mkdirSync(target);
    return `${unpackers[compression]} "${path}" | tar -x -C "${target}"`;
  });
  const start = performance.now();
  await execa('xargs', ['-P2', '-d', '\\n', '-n1', 'sh', '-c'], {
    env: environment,
    input: commands.join('\n'),
  });
  return (performance.now() - start) / 1000;
}

/** The most resident memory that a process has had (proc_pid_status(5)). */
export function peakMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}
