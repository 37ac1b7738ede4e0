import { describe as group, expect, it } from 'vitest';
import { bandwidthOf } from './bandwidth.ts';
import { capabilityArgsOf, defaultNetworkAnnotation } from './capabilities.ts';
import type { CniPod } from './pod.ts';

const pod: CniPod = {
  id: 'id',
  netnsPath: '/net',
  name: 'web',
  namespace: 'default',
  uid: 'uid',
  annotations: {},
  portMappings: [],
  cgroupPath: '/kubepods/pod1',
};

it('capabilityArgsOf leaves out what a pod does not ask for', () => {
  expect(capabilityArgsOf(pod)).toEqual({
    cgroupPath: '/kubepods/pod1',
    'io.kubernetes.cri.pod-annotations': {},
  });
});

it('capabilityArgsOf tells of host ports and DNS', () => {
  const dns = { servers: ['192.0.2.53'], searches: ['example.com'], options: ['ndots:5'] };
  const port = { protocol: 'udp', containerPort: 53, hostPort: 5353, hostIp: '192.0.2.1' };
  const args = capabilityArgsOf({ ...pod, dns, portMappings: [port, { ...port, hostPort: 0 }] });
  expect(args).toMatchObject({
    portMappings: [{ hostPort: 5353, containerPort: 53, protocol: 'udp', hostIP: '192.0.2.1' }],
    dns,
  });
});

function asked(text: string): object {
  return capabilityArgsOf({ ...pod, annotations: { [defaultNetworkAnnotation]: text } });
}

group('the annotation of the first network', () => {
  it('asks for addresses and a MAC', () => {
    const mac = 'c2:b0:57:49:47:f1';
    const ips = ['10.2.2.42/24', '2001:db8::5'];
    expect(asked(JSON.stringify([{ name: 'net', ips, mac }]))).toMatchObject({ ips, mac });
  });

  it('asks for nothing in its short form', () => {
    expect(asked('kube-system/net')).not.toHaveProperty('ips');
  });

  it.each([
    ['[{"name":"net","ips":["10.2.2"]}]', 'its "ips" are no list of addresses'],
    ['[{"name":"net","ips":"10.2.2.2"}]', 'its "ips" are no list of addresses'],
    ['[{"name":"net","mac":"xx"}]', 'its "mac" is no MAC address'],
    ['[{"name":"a"},{"name":"b"}]', 'it is no JSON list of one object'],
    ['[', 'it is no JSON list of one object'],
  ])('is refused as %s', (text, reason) => {
    expect(() => asked(text)).toThrow(reason);
  });
});

function rate(text: string): number | undefined {
  return bandwidthOf({ 'kubernetes.io/ingress-bandwidth': text })?.ingressRate;
}

group('the bandwidth of a pod', () => {
  it.each([
    ['1M', 1e6],
    ['1.5Mi', 1572864],
    ['10k', 10_000],
    ['1e6', 1e6],
    ['2E3', 2000],
    ['.5G', 5e8],
    ['1000', 1000],
    ['1500500m', 1501],
    ['1P', 1e15],
  ])('is read from %s', (text, bits) => {
    expect(rate(text)).toBe(bits);
  });

  it.each(['', 'fast', '10 M', '-10M', '999', '2P', '1Kib', '1M/s', 'NaN'])('is not %j', (text) => {
    expect(() => rate(text)).toThrow(
      `annotation "kubernetes.io/ingress-bandwidth": "${text}" is no rate from 1k to 1P`,
    );
  });

  it('has a burst of a tenth of a second, but not of less than a few packets', () => {
    const annotations = {
      'kubernetes.io/ingress-bandwidth': '1G',
      'kubernetes.io/egress-bandwidth': '10k',
    };
    expect(bandwidthOf(annotations)).toEqual({
      ingressRate: 1e9,
      ingressBurst: 1e8,
      egressRate: 1e4,
      egressBurst: 2097152,
    });
    expect(bandwidthOf({ other: 'x' })).toBeUndefined();
  });
});
