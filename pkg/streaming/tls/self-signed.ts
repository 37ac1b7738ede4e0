import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';

/** In PEM. */
export type KeyPair = { readonly cert: string; readonly key: string };

export type Validity = { readonly validFrom: Date; readonly lifetimeMs: number };

/** What clients' clocks may be behind. */
const clockSkewMs = 60 * 60 * 1000;

/**
 * A new key (P-256) with a certificate by itself for servers that go by these names and addresses, as
 * RFC 5280 wants it. node:crypto reads certificates, but makes none.
 */
export function selfSign(hosts: readonly string[], validity: Validity): KeyPair {
  const { publicKey, privateKey: key } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const name = sequence(set(sequence(oid(2, 5, 4, 3), utf8('gantryd'))));
  const body = sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    ecdsaWithSha256,
    name,
    validityOf(validity),
    name,
    publicKey,
    explicit(3, extensions(hosts)),
  );
  const signature = sign('sha256', body, createPrivateKey(key));
  const certificate = sequence(body, ecdsaWithSha256, bits(signature));
  return { key, cert: pem(certificate) };
}

function validityOf({ validFrom, lifetimeMs }: Validity): Buffer {
  const begin = new Date(validFrom.getTime() - clockSkewMs);
  const end = new Date(validFrom.getTime() + lifetimeMs);
  return sequence(time(begin), time(end));
}

/** For servers; also a root, which is what clients are told to trust. RFC 5280, section 4.2.1. */
function extensions(hosts: readonly string[]): Buffer {
  const serverAuth = oid(1, 3, 6, 1, 5, 5, 7, 3, 1);
  const isAuthority = sequence(element(tag.boolean, Buffer.of(0xff)));
  return sequence(
    sequence(oid(2, 5, 29, 19), octets(isAuthority)),
    sequence(oid(2, 5, 29, 37), octets(sequence(serverAuth))),
    sequence(oid(2, 5, 29, 17), octets(sequence(...hosts.map(generalName)))),
  );
}

function generalName(host: string): Buffer {
  const [dnsName, ipAddress] = [0x82, 0x87];
  if (isIP(host) === 0) return element(dnsName, Buffer.from(host, 'latin1'));
  return element(ipAddress, addressBytes(host));
}

/** In the order of the network. In IPv6 `::` stands for as many groups as are missing. */
function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const { address: canonical } = new SocketAddress({ address, family: 'ipv6' });
  const [before = [], after = []] = canonical
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const missing = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const groups = [...before, ...missing, ...after].map((group) => Number.parseInt(group, 16));
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

// DER: ITU-T X.690.

const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  context: 0xa0,
};

const ecdsaWithSha256 = sequence(oid(1, 2, 840, 10_045, 4, 3, 2));

function element(type: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const short = length < 0x80 ? [length] : undefined;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(type, ...(short ?? long)), content]);
}

function sequence(...items: readonly Buffer[]): Buffer {
  return element(tag.sequence, ...items);
}

function set(...items: readonly Buffer[]): Buffer {
  return element(tag.set, ...items);
}

function explicit(number: number, item: Buffer): Buffer {
  return element(tag.context | number, item);
}

/** Not negative, and without zeros in front. */
function integer(bytes: Buffer): Buffer {
  return element(tag.integer, bytes);
}

function octets(content: Buffer): Buffer {
  return element(tag.octetString, content);
}

function bits(content: Buffer): Buffer {
  return element(tag.bitString, Buffer.of(0), content);
}

function utf8(text: string): Buffer {
  return element(tag.utf8String, Buffer.from(text, 'utf8'));
}

/** YYMMDDHHMMSSZ, which is how dates before 2050 are written. */
function time(date: Date): Buffer {
  const text = date
    .toISOString()
    .slice(2)
    .replaceAll(/[-:T]|\.\d+/g, '');
  return element(tag.utcTime, Buffer.from(text, 'latin1'));
}

function oid(first: number, second: number, ...rest: readonly number[]): Buffer {
  return element(
    tag.objectIdentifier,
    Buffer.from([40 * first + second, ...rest.flatMap(base128)]),
  );
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{64}(?!$)/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
