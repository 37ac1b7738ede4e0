import { expect, it } from 'vitest';
import {
  collide,
  type HostPort,
  hostPortsOf,
  nameOf,
  pathsOf,
  refuseMissingFamily,
} from './host-port.ts';

const web: HostPort = { protocol: 'tcp', hostIp: '', hostPort: 8080, containerPort: 80 };
const on = (hostIp: string): HostPort => ({ ...web, hostIp });
const dual = [
  { address: '10.88.0.2', prefixLength: 16, gateway: '10.88.0.1' },
  { address: 'fd00::2', prefixLength: 64, gateway: 'fd00::1' },
];

it('hostPortsOf leaves out what asks for no host port, and writes addresses in one way', () => {
  expect(hostPortsOf([{ ...web, hostPort: 0 }, on('FD00:0::1')])).toEqual([on('fd00::1')]);
  expect(hostPortsOf([on('::ffff:192.0.2.1')])).toEqual([on('192.0.2.1')]);
});

it.each([
  [{ hostIp: '10.0.0.1; flush ruleset' }, 'malformed'],
  [{ hostIp: 'fe80::1%eth0' }, 'malformed'],
  [{ hostPort: 65_536 }, 'malformed'],
  [{ containerPort: 0 }, 'malformed'],
])('hostPortsOf refuses %o', (change, reason) => {
  expect(() => hostPortsOf([{ ...web, ...change }])).toThrow(reason);
});

it('refuseMissingFamily refuses an address that could lead to no pod', () => {
  refuseMissingFamily([on('')], [4]);
  expect(() => refuseMissingFamily([on('::')], [4])).toThrow(
    'map host port [::]:8080/tcp: pods have no address of IPv6 here',
  );
});

it.each([
  [
    '',
    [
      [undefined, '10.88.0.2'],
      [undefined, 'fd00::2'],
    ],
  ],
  ['0.0.0.0', [[undefined, '10.88.0.2']]],
  ['::', [[undefined, 'fd00::2']]],
  ['192.0.2.1', [['192.0.2.1', '10.88.0.2']]],
  ['::1', [['::1', 'fd00::2']]],
])('pathsOf a port on "%s"', (hostIp, expected) => {
  const paths = pathsOf(on(hostIp), dual);
  expect(paths.map(({ hostAddress, podAddress }) => [hostAddress, podAddress])).toEqual(expected);
});

it.each([
  ['', '127.0.0.1', true],
  ['', '::', true],
  ['0.0.0.0', '127.0.0.1', true],
  ['::', 'fd00::1', true],
  ['0.0.0.0', '::', false],
  ['0.0.0.0', '::1', false],
  ['10.0.0.1', '10.0.0.2', false],
  ['fd00::1', 'fd00::1', true],
])('ports on "%s" and "%s" collide: %s', (one, other, expected) => {
  expect(collide(on(one), on(other))).toBe(expected);
  expect(collide(on(other), on(one))).toBe(expected);
});

it('ports of two protocols or two numbers do not collide', () => {
  expect(collide(web, { ...web, protocol: 'udp' })).toBe(false);
  expect(collide(web, { ...web, hostPort: 8081 })).toBe(false);
});

it('nameOf a port is as people write it', () => {
  expect([on(''), on('192.0.2.1'), on('::1')].map(nameOf)).toEqual([
    '8080/tcp',
    '192.0.2.1:8080/tcp',
    '[::1]:8080/tcp',
  ]);
});
