import { describe as group, expect, it } from 'vitest';
import { addressesIn, resultIn } from './result.ts';

const inPod = { name: 'eth0', sandbox: '/run/net' };
const onHost = { name: 'cni0' };

group('addressesIn', () => {
  it('returns those of the interface in the pod, in order, once each', () => {
    const result = {
      interfaces: [onHost, inPod, { name: 'net1', sandbox: '/run/net' }],
      ips: [
        { address: '192.0.2.1/24', interface: 0 },
        { address: '2001:db8::5/64', interface: 1 },
        { address: '198.51.100.7/24', interface: 1 },
        { address: '198.51.100.7/24', interface: 1 },
        { address: '203.0.113.1/24', interface: 2 },
      ],
    };
    expect(addressesIn(result, 'eth0')).toEqual(['2001:db8::5', '198.51.100.7']);
  });

  it('returns those that belong to no interface', () => {
    expect(addressesIn({ ips: [{ address: '192.0.2.7/32' }] }, 'eth0')).toEqual(['192.0.2.7']);
  });

  it('reads the oldest results', () => {
    const result = { ip4: { ip: '192.0.2.7/24' }, ip6: { ip: '2001:db8::7/64' } };
    expect(addressesIn(result, 'eth0')).toEqual(['192.0.2.7', '2001:db8::7']);
  });

  it.each([
    [{}, 'has no address for "eth0"'],
    [{ ips: [] }, 'has no address for "eth0"'],
    [{ interfaces: [onHost], ips: [{ address: '192.0.2.7/24', interface: 0 }] }, 'has no address'],
    [
      { interfaces: [inPod], ips: [{ address: '192.0.2.7/24', interface: 1 }] },
      'interface 1, which',
    ],
    [{ ips: [{ address: '192.0.2.7' }] }, '"192.0.2.7", which is no address for a pod'],
    [{ ips: [{ address: '192.0.2.7/33' }] }, '"192.0.2.7/33", which is no address'],
    [{ ips: [{ address: '192.0.2.777/24' }] }, '"192.0.2.777/24", which is no address'],
    [{ ips: [{ address: '0.0.0.0/0' }] }, '"0.0.0.0/0", which is no address'],
    [{ ips: [{ address: '127.0.0.1/8' }] }, '"127.0.0.1/8", which is no address'],
    [{ ips: [{ address: '::1/128' }] }, '"::1/128", which is no address'],
    [{ ips: [{ address: 'ff02::1/64' }] }, '"ff02::1/64", which is no address'],
    [{ ips: [{}] }, 'undefined, which is no address'],
    [{ ip4: { ip: '1.2.3/24' } }, '"1.2.3/24", which is no address'],
  ])('refuses %j', (result, reason) => {
    expect(() => addressesIn(result, 'eth0')).toThrow(reason);
  });
});

group('resultIn', () => {
  const ips = [{ address: '192.0.2.7/24' }, { address: '2001:db8::7/64' }];

  it('keeps all of a result in the version that was asked for', () => {
    const answer = { cniVersion: '1.0.0', ips, dns: { domain: 'x' }, of: 'mine' };
    expect(resultIn('1.0.0', answer)).toEqual(answer);
    const { cniVersion: _, ...silent } = answer;
    expect(resultIn('1.0.0', silent)).toEqual(answer);
  });

  it('gives addresses the field that older versions want, and takes it from newer ones', () => {
    expect(resultIn('0.4.0', { cniVersion: '1.0.0', ips })).toEqual({
      cniVersion: '0.4.0',
      ips: [
        { version: '4', address: '192.0.2.7/24' },
        { version: '6', address: '2001:db8::7/64' },
      ],
    });
    expect(resultIn('1.1.0', resultIn('0.4.0', { ips }))).toEqual({ cniVersion: '1.1.0', ips });
  });

  it('makes a list of the addresses in the oldest versions', () => {
    const routes = [{ dst: '0.0.0.0/0' }];
    const answer = {
      cniVersion: '0.2.0',
      ip4: { ip: '192.0.2.7/24', gateway: '192.0.2.1', routes },
    };
    expect(resultIn('1.0.0', answer)).toEqual({
      cniVersion: '1.0.0',
      ips: [{ address: '192.0.2.7/24', gateway: '192.0.2.1' }],
      routes,
    });
    expect(resultIn('0.2.0', answer)).toEqual(answer);
  });

  it('refuses no answer, unknown versions and newer results than were asked for', () => {
    expect(() => resultIn('1.0.0', undefined)).toThrow('it printed no result');
    expect(() => resultIn('1.0.0', { cniVersion: '7.0.0' })).toThrow('the unknown version "7.0.0"');
    expect(() => resultIn('0.2.0', { cniVersion: '1.0.0' })).toThrow('of version 1.0.0, not 0.2.0');
    expect(() => resultIn('1.0.0', { ips: 'x' })).toThrow('are no list of objects');
  });
});
