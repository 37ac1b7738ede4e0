import { isIPv4 } from 'node:net';
import type { IpFamily } from '#linux/netns-socket.ts';

/** AF_INET and AF_INET6 of socket(7). */
export const addressFamilies = { 4: 2, 6: 10 } as const satisfies Record<IpFamily, number>;

/** The family of an address that is known to be one. */
export function familyOf(address: string): IpFamily {
  return isIPv4(address) ? 4 : 6;
}

/** The four or sixteen bytes of an address, which the caller has checked. */
export function ipBytes(address: string): Buffer {
  return isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address);
}

/** An address in the form that everybody writes: dotted, or as RFC 5952 says. */
export function ipText(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join('.') : ipv6Text(Buffer.from(bytes));
}

/** `0.0.0.0` or `::`. */
export function unspecified(family: IpFamily): string {
  return family === 4 ? '0.0.0.0' : '::';
}

function ipv6Bytes(address: string): Buffer {
  const [head = [], tail] = address.split('::').map(groupsOf);
  const missing = 16 - head.length - (tail?.length ?? 0);
  return Buffer.from([...head, ...Array.from({ length: missing }, () => 0), ...(tail ?? [])]);
}

/** The last group may be an IPv4 address. */
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const number = Number.parseInt(group, 16);
    return [number >> 8, number & 0xff];
  });
}

function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  const whole = groups.join(':');
  const zeros = whole.match(/\b0(?::0)+\b/g) ?? [];
  // Of runs of one length the first is shortened.
  const [longest] = zeros.toSorted((one, other) => other.length - one.length);
  return longest === undefined ? whole : whole.replace(longestRun(longest), '::');
}

function longestRun(run: string): RegExp {
  return new RegExp(`(?:^|:)\\b${run}\\b(?::|$)`);
}
