import { closeSync, openSync } from 'node:fs';
import { check, socket } from './libc.ts';
import { type HomeNamespaces, insideNetns } from './namespace-home.ts';

export type IpFamily = 4 | 6;

const domains = { 4: 2, 6: 10 } as const satisfies Record<IpFamily, number>;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x8_0000;

/**
 * Opens a TCP socket in a network namespace and returns its descriptor, which the caller owns. It
 * belongs to that namespace wherever it is used afterwards.
 */
export function openTcpSocket(
  home: HomeNamespaces,
  { netnsPath, family }: { readonly netnsPath: string; readonly family: IpFamily },
): number {
  const netnsFd = openSync(netnsPath, 'r');
  try {
    return insideNetns(home, netnsFd, () =>
      check(socket(domains[family], SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket', `TCP, ${netnsPath}`),
    );
  } finally {
    closeSync(netnsFd);
  }
}
