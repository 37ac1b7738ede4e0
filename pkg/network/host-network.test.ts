import { expect, it } from 'vitest';
import type { Link } from '#linux/netlink/link.ts';
import type { Route } from '#linux/netlink/route.ts';
import { outwardMtu, refuseOverlap } from './host-network.ts';
import { parseSubnet } from './subnet.ts';

function link(index: number, name: string, mtu = 1500): Link {
  return {
    index,
    name,
    kind: undefined,
    mac: '',
    mtu,
    isUp: true,
    bridgeIndex: undefined,
    peerIndex: undefined,
  };
}

function route(destination: string, prefixLength: number, over: Partial<Route> = {}): Route {
  return {
    destination,
    prefixLength,
    gateway: undefined,
    linkIndex: 2,
    metric: 0,
    mtu: undefined,
    ...over,
  };
}

const links = [
  link(1, 'lo', 65_536),
  link(2, 'eth0', 9000),
  link(3, 'wlan0', 1400),
  link(4, 'pods0'),
];
const subnet = parseSubnet('10.88.0.0/16');
const on = (linkIndex: number) => [{ linkIndex, address: '10.88.3.4', prefixLength: 32 }];
const mtu = (...routes: Route[]) => outwardMtu({ links, addresses: [], routes }, [4]);

it.each([
  ['its own range on another link', route('10.88.0.0', 16)],
  ['a part of it on another link', route('10.88.7.0', 24)],
  ['a part of it on no link', route('10.88.7.0', 24, { linkIndex: undefined })],
])('refuseOverlap refuses %s', (_, existing) => {
  expect(() =>
    refuseOverlap({ links, addresses: [], routes: [existing] }, 'pods0', subnet),
  ).toThrow(
    `use subnet 10.88.0.0/16: the host has a route to ${existing.destination}/${existing.prefixLength} over`,
  );
});

it('refuseOverlap accepts wider routes, other ranges, and the bridge itself', () => {
  const routes = [
    route('0.0.0.0', 0),
    route('10.0.0.0', 8),
    route('10.89.0.0', 16),
    route('10.88.0.0', 16, { linkIndex: 4 }),
  ];
  refuseOverlap({ links, addresses: [], routes }, 'pods0', subnet);
});

it('refuseOverlap refuses addresses of the host elsewhere, and accepts those of the bridge', () => {
  expect(() => refuseOverlap({ links, addresses: on(2), routes: [] }, 'pods0', subnet)).toThrow(
    'use subnet 10.88.0.0/16: the host has the address 10.88.3.4 on eth0',
  );
  refuseOverlap({ links, addresses: on(4), routes: [] }, 'pods0', subnet);
});

it('refuseOverlap keeps the families apart', () => {
  const addresses = [{ linkIndex: 2, address: 'fe80::1', prefixLength: 64 }];
  const routes = [route('fd00::', 64)];
  refuseOverlap({ links, addresses, routes }, 'pods0', subnet);
  expect(() =>
    refuseOverlap({ links, addresses, routes }, 'pods0', parseSubnet('fd00::/56')),
  ).toThrow('use subnet fd00::/56: the host has a route to fd00::/64 over eth0');
});

it('outwardMtu follows the preferred default route', () => {
  const slow = route('0.0.0.0', 0, { linkIndex: 3, metric: 600 });
  const fast = route('0.0.0.0', 0, { linkIndex: 2, metric: 100 });
  expect(mtu(slow, fast)).toBe(9000);
  expect(mtu(slow)).toBe(1400);
  expect(mtu(route('10.0.0.0', 8))).toBe(1500);
  expect(mtu({ ...fast, mtu: 1450 })).toBe(1450);
});

it('outwardMtu suits both families', () => {
  const routes = [route('0.0.0.0', 0), route('::', 0, { linkIndex: 3 })];
  expect(outwardMtu({ links, addresses: [], routes }, [4, 6])).toBe(1400);
  expect(outwardMtu({ links, addresses: [], routes }, [4])).toBe(9000);
});
