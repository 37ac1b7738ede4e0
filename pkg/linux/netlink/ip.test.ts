import { expect, it } from 'vitest';
import { familyOf, ipBytes, ipText } from './ip.ts';

it.each([
  ['192.0.2.255', 'c00002ff', '192.0.2.255'],
  ['::', '00000000000000000000000000000000', '::'],
  ['::1', '00000000000000000000000000000001', '::1'],
  ['fd00::', 'fd000000000000000000000000000000', 'fd00::'],
  ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:10', '20010000000000010000000000000010', '2001:0:0:1::10'],
  ['1:0:0:10::', '00010000000000100000000000000000', '1:0:0:10::'],
  ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201', '::ffff:c000:201'],
])('ipBytes and ipText know %s', (address, hex, canonical) => {
  expect(ipBytes(address).toString('hex')).toBe(hex);
  expect(ipText(ipBytes(address))).toBe(canonical);
});

it('familyOf tells the families apart', () => {
  expect([familyOf('192.0.2.1'), familyOf('fd00::1')]).toEqual([4, 6]);
});
