import type { AddressBook } from './address-book.ts';
import { pathsOf, type PortPath } from './host-port.ts';
import type { PodRules } from './pod-rules.ts';
import { elementOf, type PortElement } from './ruleset.ts';

/** A port of the host that leads to a pod. */
export type PortView = PortPath & {
  /** How many connections it has led since the rules were made; absent when its rule is missing. */
  readonly connections: number | undefined;
};

/** The host ports of all pods, by the pods' ids. */
export async function viewPorts(deps: {
  readonly book: AddressBook;
  readonly rules: PodRules;
}): Promise<ReadonlyMap<string, readonly PortView[]>> {
  const holdings = deps.book.all().filter(({ ports }) => ports.length > 0);
  if (holdings.length === 0) return new Map();
  const present = (await deps.rules.exists()) ? await deps.rules.elements() : [];
  const connectionsOf = (path: PortPath): number | undefined => {
    const { map, key, value } = elementOf(path);
    const isIt = (each: PortElement): boolean =>
      each.map === map && each.key === key && each.value === value;
    return present.find(isIt)?.connections;
  };
  return new Map(
    holdings.map(({ id, ports, place }) => [
      id,
      ports
        .flatMap((port) => pathsOf(port, place.addresses))
        .map((path) => ({ ...path, connections: connectionsOf(path) })),
    ]),
  );
}
