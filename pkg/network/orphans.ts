import { setTimeout as delay } from 'node:timers/promises';
import { describe } from '#errors/fault.ts';
import type { Link } from '#linux/netlink/link.ts';
import type { SystemThread } from '#linux/system-thread.ts';
import { type AddressBook, isHostInterface } from './address-book.ts';
import type { BridgeClaim } from './bridge-claim.ts';
import type { PodBridge } from './pod-bridge.ts';
import type { PodRules } from './pod-rules.ts';
import { elementsOf, nameOfElement } from './ruleset.ts';

/** Something of the network that nobody owns any more, or that somebody lacks. */
export type NetworkFinding = {
  readonly kind: 'bridge' | 'link' | 'address' | 'rule' | 'namespace' | 'attachment';
  /** What it is, as a sentence begins: `link gantry0123456789 on gantry0`. */
  readonly subject: string;
  readonly problem: string;
  /** Puts it right; absent where only stopping the pod helps. */
  readonly fix?: () => Promise<void>;
};

/** What became of a finding. */
export type NetworkFindingView = Pick<NetworkFinding, 'kind' | 'subject' | 'problem'> & {
  readonly outcome: 'found' | 'fixed' | 'not fixed';
  /** Why it was not. */
  readonly reason?: string;
};

export type OrphanDeps = {
  readonly thread: SystemThread;
  readonly book: AddressBook;
  readonly rules: PodRules;
  readonly bridge: PodBridge;
  readonly claim: BridgeClaim;
  readonly bridgeName: string;
  readonly removePod: (id: string) => Promise<void>;
};

const kernelGraceMs = 300;

/**
 * Compares what the book says with what the kernel has. `owners` are the pods that there are.
 * Other daemons' bridges, links and tables are none of ours, and are not looked at.
 */
export async function findOrphans(
  deps: OrphanDeps,
  owners: ReadonlySet<string>,
): Promise<NetworkFinding[]> {
  const addresses = addressFindings(deps, owners);
  const clash = await deps.claim.take().then(() => undefined, describe);
  if (clash !== undefined) return [...addresses, strangersBridge(deps, clash)];
  const host = await hostFindings(deps);
  const links = await linkFindings(deps);
  return [...addresses, ...host, ...links, ...(await ruleFindings(deps))];
}

/** Puts right what can be, one after the other, or only tells. */
export async function settleFindings(
  findings: readonly NetworkFinding[],
  { isFixing }: { readonly isFixing: boolean },
): Promise<NetworkFindingView[]> {
  const settled: NetworkFindingView[] = [];
  for (const { fix, ...finding } of findings) {
    if (!isFixing) settled.push({ ...finding, outcome: 'found' });
    else settled.push({ ...finding, ...(await outcomeOf(fix)) });
  }
  return settled;
}

async function outcomeOf(
  fix: NetworkFinding['fix'],
): Promise<Pick<NetworkFindingView, 'outcome' | 'reason'>> {
  if (fix === undefined) return { outcome: 'not fixed', reason: 'stop the pod' };
  try {
    await fix();
    return { outcome: 'fixed' };
  } catch (error) {
    return { outcome: 'not fixed', reason: describe(error) };
  }
}

/** All that is on it may be another daemon's. */
function strangersBridge({ bridgeName, claim }: OrphanDeps, problem: string): NetworkFinding {
  return { kind: 'bridge', subject: `bridge ${bridgeName}`, problem, fix: () => claim.take() };
}

/** What all pods lack: the bridge itself, or the table. All is made anew. */
async function hostFindings({ bridge }: OrphanDeps): Promise<NetworkFinding[]> {
  const lacks = await bridge.lacks();
  return lacks.map((lack) => ({ kind: 'bridge', ...lack, fix: () => bridge.heal() }));
}

function addressFindings(
  { book, removePod }: OrphanDeps,
  owners: ReadonlySet<string>,
): NetworkFinding[] {
  return book
    .all()
    .filter(({ id }) => !owners.has(id))
    .map(({ id, place }) => ({
      kind: 'address',
      subject: `address ${place.addresses.map(({ address }) => address).join(', ')}`,
      problem: `is held for pod ${id.slice(0, 12)}, which is gone`,
      fix: () => removePod(id),
    }));
}

/** Links on the bridge without a pod, and pods whose link is not there or not on the bridge. */
async function linkFindings(deps: OrphanDeps): Promise<NetworkFinding[]> {
  const { thread } = deps;
  let { links } = await thread.run('listHostNetwork', undefined);
  if (strayLinks(deps, links).length > 0) {
    // The kernel takes a moment to delete the link of a pod that has just gone.
    await delay(kernelGraceMs);
    ({ links } = await thread.run('listHostNetwork', undefined));
  }
  const strays = strayLinks(deps, links).map(({ name }): NetworkFinding => ({
    kind: 'link',
    subject: `link ${name} on ${deps.bridgeName}`,
    problem: 'belongs to no pod',
    fix: () => thread.run('deleteLinks', [name]),
  }));
  return [...strays, ...lostLinks(deps, links)];
}

function strayLinks({ book, bridgeName }: OrphanDeps, links: readonly Link[]): Link[] {
  const bridge = links.find(({ name }) => name === bridgeName);
  const held = new Set(book.all().map(({ place }) => place.hostInterface));
  return links
    .filter(({ bridgeIndex }) => bridge !== undefined && bridgeIndex === bridge.index)
    .filter(({ name }) => isHostInterface(name) && !held.has(name));
}

function lostLinks({ thread, book, bridgeName }: OrphanDeps, links: readonly Link[]) {
  const bridge = links.find(({ name }) => name === bridgeName);
  return book.all().flatMap(({ name: pod, place }): NetworkFinding[] => {
    const name = place.hostInterface;
    const link = links.find((each) => each.name === name);
    const finding = { kind: 'link', subject: `link ${name} of pod ${pod}` } as const;
    if (link === undefined) return [{ ...finding, problem: 'is gone' }];
    if (bridge === undefined || link.bridgeIndex === bridge.index) return [];
    const fix = () => thread.run('joinBridge', { bridgeIndex: bridge.index, links: [name] });
    return [{ ...finding, problem: `is not on ${bridgeName}`, fix }];
  });
}

/** Elements of the maps that lead to no pod, and those that pods should have. All are made anew. */
async function ruleFindings({ book, rules }: OrphanDeps): Promise<NetworkFinding[]> {
  if (!(await rules.exists())) return [];
  const present = new Set((await rules.elements()).map(nameOfElement));
  const wanted = new Set(book.all().flatMap(elementsOf).map(nameOfElement));
  const finding =
    (problem: string) =>
    (text: string): NetworkFinding => ({
      kind: 'rule',
      subject: `rule ${text}`,
      problem,
      fix: () => rules.make(),
    });
  return [
    ...[...present.difference(wanted)].map(finding('belongs to no pod')),
    ...[...wanted.difference(present)].map(finding('is missing')),
  ];
}
