import type { AddressBook } from './address-book.ts';
import { pathsOf, type PortPath } from './host-port.ts';
import type { PodRules } from './pod-rules.ts';
import { elementOf, nameOfElement } from './ruleset.ts';

/** A port of the host that leads to a pod. */
export type PortView = PortPath & {
  /** Whether there is the rule for it; not known when nft does not say. */
  readonly rule: 'there' | 'missing' | 'unknown';
  /** How many connections it has led since the rule was made. */
  readonly connections: number;
};

/** The host ports of all pods, by the pods' ids. */
export async function viewPorts(deps: {
  readonly book: AddressBook;
  readonly rules: PodRules;
}): Promise<ReadonlyMap<string, readonly PortView[]>> {
  const holdings = deps.book.all().filter(({ ports }) => ports.length > 0);
  if (holdings.length === 0) return new Map();
  // What else there is to see is not to be kept back by an nft that does not work.
  const present = (await deps.rules.exists())
    ? await deps.rules.elements().catch(() => undefined)
    : [];
  const view = (path: PortPath): PortView => {
    if (present === undefined) return { ...path, rule: 'unknown', connections: 0 };
    const name = nameOfElement(elementOf(path));
    const found = present.find((element) => nameOfElement(element) === name);
    const { connections = 0 } = found ?? {};
    return { ...path, rule: found === undefined ? 'missing' : 'there', connections };
  };
  return new Map(
    holdings.map(({ id, ports, place }) => [
      id,
      ports.flatMap((port) => pathsOf(port, place.addresses)).map(view),
    ]),
  );
}
