import { expect, it } from 'vitest';
import { allCapabilities } from '#linux/capabilities.ts';
import { containerCapabilities } from './capabilities.ts';

const everything = new Set(allCapabilities);

function capabilities(add: string[], drop: string[], privileged = false): string[] {
  const wishes = { privileged, addCapabilities: add, dropCapabilities: drop };
  return containerCapabilities(wishes, everything);
}

it('gives the usual ones to a container that asks for nothing', () => {
  expect(capabilities([], [])).toHaveLength(14);
});

it('gives one alone when all are dropped', () => {
  expect(capabilities(['net_admin'], ['ALL'])).toEqual(['CAP_NET_ADMIN']);
});

it('lets a single drop win over every addition', () => {
  expect(capabilities(['ALL'], ['CAP_SYS_ADMIN'])).not.toContain('CAP_SYS_ADMIN');
  expect(capabilities(['SYS_TIME'], ['SYS_TIME'])).not.toContain('CAP_SYS_TIME');
});

it('gives a privileged container all', () => {
  expect(capabilities([], [], true)).toEqual(allCapabilities);
});

it('gives nothing that the daemon itself has not got', () => {
  const wishes = { privileged: true, addCapabilities: [], dropCapabilities: [] };
  expect(containerCapabilities(wishes, new Set(['CAP_CHOWN']))).toEqual(['CAP_CHOWN']);
});

it('refuses names that it does not know', () => {
  expect(() => capabilities(['FLY'], [])).toThrow('unknown capability "CAP_FLY"');
});
