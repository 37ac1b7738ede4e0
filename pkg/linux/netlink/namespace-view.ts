import { closeSync, openSync } from 'node:fs';
import { isErrno } from '#errors/fault.ts';
import { type HomeNamespaces, insideNetns } from '#linux/namespace-home.ts';
import { type Address, listAddresses } from './address.ts';
import { type Link, listLinks } from './link.ts';
import { type LinkCounters, listLinkCounters } from './link-counters.ts';
import { listRoutes, type Route } from './route.ts';
import { NetlinkSocket } from './socket.ts';

/** What there is in a network namespace. */
export type NamespaceView = {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
  /** Of all links but the loopback. */
  readonly counters: readonly LinkCounters[];
};

/**
 * What there is in each of the network namespaces that are pinned at `paths`, in their order; undefined
 * for a path at which there is none any more.
 */
export function viewNamespaces(
  home: HomeNamespaces,
  host: NetlinkSocket,
  paths: readonly string[],
): (NamespaceView | undefined)[] {
  const counters = listLinkCounters(host, paths);
  return paths.map((path, at) => {
    try {
      return { ...viewNamespace(home, path), counters: counters[at] ?? [] };
    } catch (error) {
      // EINVAL: what was a namespace is an empty file by now.
      if (isErrno(error, 'ENOENT', 'EINVAL')) return undefined;
      throw error;
    }
  });
}

function viewNamespace(home: HomeNamespaces, path: string): Omit<NamespaceView, 'counters'> {
  const netnsFd = openSync(path, 'r');
  try {
    using inside = insideNetns(home, netnsFd, () => new NetlinkSocket());
    return {
      links: listLinks(inside),
      addresses: listAddresses(inside),
      routes: listRoutes(inside),
    };
  } finally {
    closeSync(netnsFd);
  }
}
