import { expect, it } from 'vitest';
import {
  bytes,
  decodeAttributes,
  encodeAttributes,
  nested,
  text,
  textOf,
  uint32,
  uint8,
} from './attribute.ts';
import { linkHeader } from './link-format.ts';
import { decodeAnswers, encodeRequests } from './message.ts';
import { newDefaultRoute } from './route.ts';

// The messages in hex were recorded from iproute2 6.1 and Linux 6.18.

const defaultRoute =
  '24000000 1800 0505 dc92006b 00000000 02000000fe030001 00000000 0800 0500 0a010201';

function fromHex(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
}

it('encodeRequests writes the default route as iproute2 does', () => {
  const request = newDefaultRoute('10.1.2.1');
  expect(encodeRequests([request], 0x6b00_92dc)).toEqual(fromHex(defaultRoute));
});

it('encodeRequests asks for an acknowledgement of the last request only', () => {
  const request = newDefaultRoute('10.1.2.1');
  const unanswered = defaultRoute.replace('0505', '0105').replace('dc92006b', 'db92006b');
  expect(encodeRequests([request, request], 0x6b00_92db)).toEqual(
    fromHex(unanswered, defaultRoute),
  );
});

it('encodeAttributes nests and pads as iproute2 does for a veth pair', () => {
  const peer = Buffer.concat([linkHeader(), encodeAttributes([text(3, 'vb')])]);
  // iproute2 leaves out the zero at the end of the kind.
  const kind = bytes(1, Buffer.from('veth'));
  const pair = [text(3, 'va'), nested(18, kind, nested(2, bytes(1, peer)))];
  expect(encodeAttributes(pair)).toEqual(
    fromHex(
      '0700 0300 76610000 2c00 1200 0800 0100 76657468 2000 0200 1c00 0100',
      '00000000 00000000 00000000 00000000 0700 0300 76620000',
    ),
  );
});

it('decodeAttributes reads back what encodeAttributes wrote', () => {
  const inner = nested(3, uint32(4, 0xffff_ffff));
  const decoded = decodeAttributes(encodeAttributes([uint8(1, 7), text(2, 'eth0'), inner]));
  expect(decoded.get(1)).toEqual(fromHex('07'));
  expect(textOf(decoded.get(2))).toBe('eth0');
  expect(decodeAttributes(decoded.get(3) ?? Buffer.alloc(0)).get(4)).toEqual(fromHex('ffffffff'));
});

it('decodeAttributes ignores the bits that mark nesting, and stops at a broken length', () => {
  const encoded = fromHex('0800 0180 01020304 ff00 0200 00000000');
  expect([...decodeAttributes(encoded).keys()]).toEqual([1]);
});

it("decodeAnswers finds the kernel's reason behind the echoed request", () => {
  const reason = Buffer.from('Nexthop has invalid gateway\0').toString('hex');
  const header = '58000000 0200 0002 dc92006b 6f3e0000 9bffffff';
  expect(decodeAnswers(fromHex(header, defaultRoute, '2000 0100', reason))).toEqual([
    { kind: 'end', sequence: 0x6b00_92dc, errno: 101, reason: 'Nexthop has invalid gateway' },
  ]);
});

it("decodeAnswers finds the kernel's reason at the end of a list that was refused", () => {
  const reason = Buffer.from('no such thing\0\0\0').toString('hex');
  const end = fromHex('28000000 0300 0002 07000000 00000000 eaffffff', '1200 0100', reason);
  end.writeUInt32LE(end.length, 0);
  expect(decodeAnswers(end)).toEqual([
    { kind: 'end', sequence: 7, errno: 22, reason: 'no such thing' },
  ]);
});

it('decodeAnswers reads an acknowledgement, objects and the end of a list', () => {
  const datagram = fromHex(
    '24000000 0200 0001 01000000 00000000 00000000 10000000 1000 0500 01000000 00000000',
    '14000000 1000 1200 02000000 00000000 aabbccdd',
    '14000000 0300 0200 02000000 00000000 00000000',
  );
  expect(decodeAnswers(datagram)).toEqual([
    { kind: 'end', sequence: 1, errno: 0, reason: undefined },
    { kind: 'object', sequence: 2, body: fromHex('aabbccdd'), isStale: true },
    { kind: 'end', sequence: 2, errno: 0, reason: undefined },
  ]);
});
