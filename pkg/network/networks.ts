import { Fault } from '#errors/fault.ts';
import { brokenConfig, type CniNetwork } from './cni/cni-network.ts';
import type { Found } from './cni/config-directory.ts';
import { findCniOrphans } from './cni/findings.ts';
import type { CniPod } from './cni/pod.ts';
import type { NetworkFinding } from './orphans.ts';
import type { Readiness } from './pod-bridge.ts';
import type { PodNetwork } from './pod-network.ts';

/**
 * Which network new pods come into: that of a CNI configuration when there is one and else the
 * built-in bridge (`auto`), or only ever the one of them.
 */
export const networkChoices = ['auto', 'bridge', 'cni'] as const;
export type NetworkChoice = (typeof networkChoices)[number];

type Bridge = Pick<
  PodNetwork,
  'addPod' | 'removePod' | 'readiness' | 'tend' | 'reconcile' | 'findOrphans' | 'close'
>;
type Cni = Pick<
  CniNetwork,
  | 'current'
  | 'addPod'
  | 'removePod'
  | 'checkPod'
  | 'connectedPods'
  | 'isDelOwed'
  | 'describePod'
  | 'readiness'
  | 'reconcile'
  | 'close'
>;
type BridgePod = Parameters<Bridge['addPod']>[0];

/** The networks of the node's pods, of which each new pod comes into the one in force. */
export type Networks = {
  addPod(
    pod: CniPod & BridgePod,
  ): Promise<{ readonly address: string; readonly additionalAddresses?: readonly string[] }>;
  /** Takes a pod off the network that it is in, whichever is in force now. Idempotent. */
  removePod(id: string): Promise<void>;
  /** Of the network in force. */
  readiness(): Promise<Readiness>;
  reconcile(owners: ReadonlySet<string>): Promise<void>;
  /** What is left of pods that are gone, and what those that there are lack, in both networks. */
  findOrphans(owners: ReadonlySet<string>): Promise<readonly NetworkFinding[]>;
  /** Which network is in force, for people. */
  describe(): Promise<object>;
  /** Which network a pod is in, and what is known of its place there, for people. */
  describePod(id: string): object;
  close(): Promise<void>;
};

/** What the networks are made of. */
export type NetworksOptions = {
  readonly choice: NetworkChoice;
  readonly bridge: Bridge;
  readonly cni: Cni;
};

/**
 * Puts the two networks behind one face. Each keeps its own records of the pods that it has, so that
 * the right one takes a pod down; of the other it is nobody's.
 */
export function chooseNetwork({ choice, bridge, cni }: NetworksOptions): Networks {
  const inForce = async (): Promise<Found> =>
    choice === 'bridge' ? { kind: 'none' } : cni.current();
  return {
    addPod: async (pod) => {
      const found = await inForce();
      if (found.kind === 'valid') return cni.addPod(pod, found.config);
      if (found.kind === 'broken') throw brokenConfig(found);
      if (choice === 'cni') throw new Fault('unavailable', noConfig);
      return bridge.addPod(pod);
    },
    removePod: async (id) => {
      await cni.removePod(id);
      await bridge.removePod(id);
    },
    readiness: async () => {
      const found = await inForce();
      // Its own readiness does not count then, but pods from before may be on it.
      if (found.kind !== 'none' || choice === 'cni') bridge.tend();
      if (found.kind === 'valid') return cni.readiness(found);
      if (found.kind === 'broken') {
        const { message } = brokenConfig(found);
        return { ready: false, reason: 'CniConfigBroken', message };
      }
      if (choice === 'cni') return { ready: false, reason: 'CniConfigMissing', message: noConfig };
      return bridge.readiness();
    },
    reconcile: async (owners) => {
      cni.reconcile(owners);
      await bridge.reconcile(owners);
    },
    findOrphans: async (owners) => {
      const findings = [bridge.findOrphans(owners), findCniOrphans(cni, owners)];
      return (await Promise.all(findings)).flat();
    },
    describe: async () => {
      const found = await inForce();
      return found.kind === 'none' && choice !== 'cni'
        ? { network: 'bridge' }
        : { network: 'cni', ...found };
    },
    describePod: (id) => {
      const attachment = cni.describePod(id);
      return attachment === undefined ? {} : { network: 'cni', ...attachment };
    },
    close: async () => {
      cni.close();
      await bridge.close();
    },
  };
}

const noConfig = 'there is no CNI configuration; has the network provider of the cluster started?';
