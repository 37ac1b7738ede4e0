import { expect, it } from 'vitest';
import { collide, type HostPort, hostPortsOf } from './host-port.ts';

const web: HostPort = { protocol: 'tcp', hostIp: '', hostPort: 8080, containerPort: 80 };

it('hostPortsOf leaves out what asks for no host port', () => {
  expect(hostPortsOf([{ ...web, hostPort: 0 }, web])).toEqual([{ ...web, hostIp: '0.0.0.0' }]);
});

it.each([
  [{ hostIp: '10.0.0.1; flush ruleset' }, 'malformed'],
  [{ hostPort: 65_536 }, 'malformed'],
  [{ containerPort: 0 }, 'malformed'],
  [{ hostIp: 'fd00::1' }, 'the pod network is IPv4 only'],
])('hostPortsOf refuses %o', (change, reason) => {
  expect(() => hostPortsOf([{ ...web, ...change }])).toThrow(reason);
});

it.each([
  [{}, true],
  [{ hostIp: '127.0.0.1' }, true],
  [{ protocol: 'udp' }, false],
  [{ hostPort: 8081 }, false],
] as const)('a port on all addresses and one with %o collide: %s', (change, expected) => {
  const [all, other] = hostPortsOf([web, { ...web, ...change }]);
  expect(collide(all ?? web, other ?? web)).toBe(expected);
  expect(collide(other ?? web, all ?? web)).toBe(expected);
});

it('ports on two addresses do not collide', () => {
  expect(collide({ ...web, hostIp: '10.0.0.1' }, { ...web, hostIp: '10.0.0.2' })).toBe(false);
});
