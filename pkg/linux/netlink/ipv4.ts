/** The four bytes of an address in dotted form, which the caller has checked. */
export function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

/** The dotted form of an address in four bytes. */
export function ipv4Text(bytes: Buffer): string {
  return bytes.join('.');
}
