import { Fault } from '#errors/fault.ts';
import {
  gatewayOf,
  overlap,
  parseSubnet,
  podAddress,
  podCapacity,
  podIndex,
  type Subnet,
} from './subnet.ts';

/** A pod's address of one family, and the router that leads beyond its subnet. */
export type PodIp = {
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
};

/**
 * What pods' addresses are taken from: places, counted from 0, each with one address of every family.
 * So a pod's IPv4 and IPv6 addresses belong together, and are free together. Subnets of one family
 * follow each other.
 */
export type Pool = {
  readonly subnets: readonly Subnet[];
  /** The family of the first subnet comes first: it is the one of pods' primary addresses. */
  readonly families: readonly (readonly Subnet[])[];
  /** How many places there are. */
  readonly capacity: number;
};

/** The pool of these subnets; an `invalid-argument` Fault when pods cannot use one of them. */
export function parsePool(cidrs: readonly string[]): Pool {
  const subnets = cidrs.map(parseSubnet);
  if (subnets.length === 0) throw new Fault('invalid-argument', 'use subnets: there is none');
  for (const [at, subnet] of subnets.entries()) {
    const other = subnets.slice(0, at).find((earlier) => overlap(earlier, subnet));
    if (other === undefined) continue;
    throw new Fault('invalid-argument', `use subnet "${subnet.cidr}": it overlaps ${other.cidr}`);
  }
  const families = [...new Set(subnets.map(({ family }) => family))].map((family) =>
    subnets.filter((subnet) => subnet.family === family),
  );
  return { subnets, families, capacity: Math.min(...families.map(capacityOf)) };
}

/** The addresses of a place, below the pool's capacity. */
export function addressesAt({ families }: Pool, place: number): PodIp[] {
  return families.map((subnets) => {
    let index = place;
    for (const subnet of subnets) {
      const capacity = podCapacity(subnet);
      if (index < capacity) return podIp(subnet, index);
      index -= capacity;
    }
    throw new Fault('internal', `find the addresses of place ${place}: the pool is smaller`);
  });
}

/** The place that has this address; undefined when none has. */
export function placeOf({ families, capacity }: Pool, address: string): number | undefined {
  for (const subnets of families) {
    let before = 0;
    for (const subnet of subnets) {
      const index = podIndex(subnet, address);
      if (index !== undefined) return before + index < capacity ? before + index : undefined;
      before += podCapacity(subnet);
    }
  }
  return undefined;
}

function podIp(subnet: Subnet, index: number): PodIp {
  const { prefixLength } = subnet;
  return { address: podAddress(subnet, index), prefixLength, gateway: gatewayOf(subnet) };
}

function capacityOf(subnets: readonly Subnet[]): number {
  return subnets.reduce((sum, subnet) => sum + podCapacity(subnet), 0);
}
