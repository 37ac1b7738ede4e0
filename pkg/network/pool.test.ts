import { expect, it } from 'vitest';
import { addressesAt, parsePool, placeOf } from './pool.ts';

const texts = (...args: Parameters<typeof addressesAt>) =>
  addressesAt(...args).map(({ address }) => address);

it('a place of a Pool has one address of each family, the primary one first', () => {
  const pool = parsePool(['fd00:88::/64', '10.88.0.0/24']);
  expect(addressesAt(pool, 3)).toEqual([
    { address: 'fd00:88::5', prefixLength: 64, gateway: 'fd00:88::1' },
    { address: '10.88.0.5', prefixLength: 24, gateway: '10.88.0.1' },
  ]);
  expect(pool.capacity).toBe(253);
});

it('subnets of one family follow each other', () => {
  const pool = parsePool(['10.88.0.0/30', '10.89.0.0/29', 'fd00::/64']);
  expect(pool.capacity).toBe(6);
  expect(texts(pool, 0)).toEqual(['10.88.0.2', 'fd00::2']);
  expect(texts(pool, 1)).toEqual(['10.89.0.2', 'fd00::3']);
  expect(texts(pool, 5)).toEqual(['10.89.0.6', 'fd00::7']);
});

it('placeOf is the inverse of addressesAt, in every family', () => {
  const pool = parsePool(['10.88.0.0/30', '10.89.0.0/29', 'fd00::/64']);
  for (let place = 0; place < pool.capacity; place++) {
    expect(texts(pool, place).map((address) => placeOf(pool, address))).toEqual([place, place]);
  }
  expect(placeOf(pool, '10.90.0.2')).toBeUndefined();
  expect(placeOf(pool, 'fd00::8')).toBeUndefined();
});

it.each([
  [[], 'there is none'],
  [['10.88.0.0/16', '10.88.3.0/24'], 'use subnet "10.88.3.0/24": it overlaps 10.88.0.0/16'],
  [['10.88.0.0/16', 'nonsense'], 'use subnet "nonsense": not a range'],
])('parsePool refuses %j', (cidrs, reason) => {
  expect(() => parsePool(cidrs)).toThrow(reason);
});
