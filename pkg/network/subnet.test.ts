import { expect, it } from 'vitest';
import {
  gatewayOf,
  macOf,
  overlap,
  parseSubnet,
  podAddress,
  podCapacity,
  subnetAround,
} from './subnet.ts';

it('Subnet leaves the network, the gateway and the broadcast to others', () => {
  const subnet = parseSubnet('10.88.4.0/29');
  const pods = Array.from({ length: podCapacity(subnet) }, (_, index) => podAddress(subnet, index));
  expect(gatewayOf(subnet)).toBe('10.88.4.1');
  expect(pods).toEqual(['10.88.4.2', '10.88.4.3', '10.88.4.4', '10.88.4.5', '10.88.4.6']);
});

it('Subnet counts beyond the sign bit', () => {
  const subnet = parseSubnet('192.168.0.0/16');
  expect(podCapacity(subnet)).toBe(65_533);
  expect(podAddress(subnet, 65_532)).toBe('192.168.255.254');
});

it.each([
  ['10.88.0.0', 'not an IPv4 range'],
  ['10.88.0.0/16x', 'not an IPv4 range'],
  ['fd00::/64', 'not an IPv4 range'],
  ['10.88.0.0/31', 'its prefix length must be from 8 to 30'],
  ['10.88.1.0/16', 'it begins inside of 10.88.0.0/16'],
])('parseSubnet refuses %s', (cidr, reason) => {
  expect(() => parseSubnet(cidr)).toThrow(`use subnet "${cidr}": ${reason}`);
});

it.each([
  ['10.88.0.0/16', '10.88.3.0/24', true],
  ['10.88.3.0/24', '10.0.0.0/8', true],
  ['10.88.0.0/16', '10.88.0.0/16', true],
  ['10.88.0.0/16', '10.89.0.0/16', false],
  ['192.168.1.0/24', '192.168.0.0/24', false],
])('overlap of %s and %s is %s', (one, other, expected) => {
  expect(overlap(parseSubnet(one), parseSubnet(other))).toBe(expected);
});

it('overlap knows the default route', () => {
  expect(overlap(subnetAround('0.0.0.0', 0), parseSubnet('192.168.0.0/24'))).toBe(true);
});

it('macOf is locally administered and holds the address', () => {
  expect(macOf('10.88.0.255')).toBe('02:47:0a:58:00:ff');
});
