import { describe } from '#errors/fault.ts';
import type { NetworkFinding } from '#network/orphans.ts';
import type { CniNetwork } from './cni-network.ts';
import { Slots } from './slots.ts';

/** How many pods are looked at at a time: for each, every plugin of its network runs. */
const parallelChecks = 8;

/**
 * What is owed a DEL, and the pods whose plugins say that something is missing (CHECK). `owners` are
 * the pods that there are.
 */
export async function findCniOrphans(
  cni: Pick<CniNetwork, 'connectedPods' | 'isDelOwed' | 'checkPod' | 'removePod'>,
  owners: ReadonlySet<string>,
): Promise<NetworkFinding[]> {
  const slots = new Slots(parallelChecks);
  const findings = cni.connectedPods().map(async (id): Promise<NetworkFinding[]> => {
    const finding = {
      kind: 'attachment',
      subject: `CNI attachment of pod ${id.slice(0, 12)}`,
    } as const;
    if (!owners.has(id) || cni.isDelOwed(id)) {
      return [{ ...finding, problem: 'is owed a DEL', fix: () => cni.removePod(id) }];
    }
    const problem = await slots.run(() => cni.checkPod(id)).then(() => undefined, describe);
    return problem === undefined ? [] : [{ ...finding, problem }];
  });
  return (await Promise.all(findings)).flat();
}
