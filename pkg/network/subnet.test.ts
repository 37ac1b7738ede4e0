import { expect, it } from 'vitest';
import {
  bridgeMac,
  gatewayOf,
  macOf,
  overlap,
  parseSubnet,
  podAddress,
  podCapacity,
  podIndex,
  subnetAround,
} from './subnet.ts';

it('Subnet leaves the network, the gateway and the broadcast to others', () => {
  const subnet = parseSubnet('10.88.4.0/29');
  const pods = Array.from({ length: podCapacity(subnet) }, (_, index) => podAddress(subnet, index));
  expect(gatewayOf(subnet)).toBe('10.88.4.1');
  expect(pods).toEqual(['10.88.4.2', '10.88.4.3', '10.88.4.4', '10.88.4.5', '10.88.4.6']);
});

it('Subnet of IPv6 has no broadcast', () => {
  const subnet = parseSubnet('fd00:88::/126');
  expect(gatewayOf(subnet)).toBe('fd00:88::1');
  expect(podCapacity(subnet)).toBe(2);
  expect(podAddress(subnet, 1)).toBe('fd00:88::3');
});

it('Subnet counts beyond the sign bit, and no further than anybody needs', () => {
  const subnet = parseSubnet('192.168.0.0/16');
  expect(podCapacity(subnet)).toBe(65_533);
  expect(podAddress(subnet, 65_532)).toBe('192.168.255.254');
  const wide = parseSubnet('fd00:ffff:ffff:ffff::/64');
  expect(podCapacity(wide)).toBe(2 ** 32);
  expect(podAddress(wide, 2 ** 32 - 1)).toBe('fd00:ffff:ffff:ffff:0:1:0:1');
});

it('podIndex is the inverse of podAddress', () => {
  const subnet = parseSubnet('fd00:88::/64');
  expect(podIndex(subnet, podAddress(subnet, 70_000))).toBe(70_000);
  const small = parseSubnet('10.88.4.0/29');
  expect(
    ['10.88.4.0', '10.88.4.1', '10.88.4.2', '10.88.4.6', '10.88.4.7', '::1'].map((each) =>
      podIndex(small, each),
    ),
  ).toEqual([undefined, undefined, 0, 4, undefined, undefined]);
});

it.each([
  ['10.88.0.0', 'not a range'],
  ['10.88.0.0/16x', 'not a range'],
  ['fe80::%eth0/64', 'not a range'],
  ['10.88.0.0/31', 'its prefix length must be from 8 to 30'],
  ['fd00::/127', 'its prefix length must be from 16 to 126'],
  ['10.88.1.0/16', 'it begins inside of 10.88.0.0/16'],
  ['fd00::1/64', 'it begins inside of fd00::/64'],
  ['127.0.0.0/16', '127.0.0.0/8 is for loopback'],
  ['230.0.0.0/16', '224.0.0.0/3 is for multicast'],
  ['fe80::/64', 'fe80::/10 is for link-local addresses'],
  ['::ffff:0:0/96', '::/16 is for loopback and addresses of IPv4'],
])('parseSubnet refuses %s', (cidr, reason) => {
  expect(() => parseSubnet(cidr)).toThrow(`use subnet "${cidr}": ${reason}`);
});

it.each([
  ['10.88.0.0/16', '10.88.3.0/24', true],
  ['10.88.3.0/24', '10.0.0.0/8', true],
  ['10.88.0.0/16', '10.88.0.0/16', true],
  ['10.88.0.0/16', '10.89.0.0/16', false],
  ['192.168.1.0/24', '192.168.0.0/24', false],
  ['fd00::/64', 'fd00::/48', true],
  ['fd00::/64', 'fd00:0:0:1::/64', false],
  ['fd00::/64', '10.0.0.0/8', false],
])('overlap of %s and %s is %s', (one, other, expected) => {
  expect(overlap(parseSubnet(one), parseSubnet(other))).toBe(expected);
});

it('overlap knows the default route', () => {
  expect(overlap(subnetAround('0.0.0.0', 0), parseSubnet('192.168.0.0/24'))).toBe(true);
});

it('macOf is locally administered and holds the address', () => {
  expect(macOf('10.88.0.255')).toBe('02:47:0a:58:00:ff');
  expect(macOf('fd00::2')).toMatch(/^02(:[0-9a-f]{2}){5}$/);
  expect(macOf('fd00:1::2')).not.toBe(macOf('fd00::2'));
  expect(bridgeMac('pods0')).not.toBe(bridgeMac('pods1'));
});
