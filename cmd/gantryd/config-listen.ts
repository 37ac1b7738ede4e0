import { isIPv4, isIPv6 } from 'node:net';
import * as v from 'valibot';

/** Where something listens, as `127.0.0.1:9479` or `[::1]:9479`. */
export const listenAddress = v.pipe(
  v.string(),
  v.check(isListenAddress, 'must be an address and a port, such as 127.0.0.1:9479'),
);

function isListenAddress(text: string): boolean {
  const [, four, six, port] = /^(?:([\d.]+)|\[([\da-f:.]+)\]):(\d{1,5})$/i.exec(text) ?? [];
  return (isIPv4(four ?? '') || isIPv6(six ?? '')) && Number(port) <= 65_535;
}
