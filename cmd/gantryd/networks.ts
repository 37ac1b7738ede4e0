import { join } from 'node:path';
import { programPath } from '#linux/program.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import { openCniNetwork } from '#network/cni/cni-network.ts';
import { chooseNetwork, type Networks } from '#network/networks.ts';
import { openPodNetwork, type PodNetwork } from '#network/pod-network.ts';
import { given } from '#runtime/given.ts';
import type { Database } from '#store/database.ts';
import type { Config } from './config.ts';
import { requireProgram } from './programs.ts';

export type NetworksDeps = {
  readonly database: Database;
  readonly thread: SystemThread;
  readonly log: Log;
};

/** The built-in network and those of CNI plugins, as one. */
export async function openNetworks(
  { root, network }: Config,
  { database, thread, log }: NetworksDeps,
): Promise<Networks & { readonly builtIn: PodNetwork }> {
  const { nft, mtu, use, cni, ...bridge } = network;
  const cniNetwork = await openCniNetwork({
    confDir: cni.conf_dir,
    binDirs: cni.bin_dirs,
    cacheDir: cni.cache_dir ?? join(root, 'cni'),
    timeoutMs: cni.timeout_seconds * 1000,
    thread,
    log,
  });
  const builtIn = await openPodNetwork({
    config: { ...bridge, ...given({ mtu }) },
    database,
    thread,
    log,
    nft: () => requireProgram(nft, programPath, 'network.nft'),
  });
  return { ...chooseNetwork({ choice: use, bridge: builtIn, cni: cniNetwork }), builtIn };
}
