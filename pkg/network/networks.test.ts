import { expect, it } from 'vitest';
import type { Found } from './cni/config-directory.ts';
import { chooseNetwork, type NetworkChoice, type Networks } from './networks.ts';

const config = {
  name: 'net',
  versions: ['1.0.0'],
  disableCheck: false,
  disableGc: false,
  loadOnlyInlinedPlugins: false,
  plugins: [{ type: 'main' }],
} as const;
const valid: Found = { kind: 'valid', file: '/net.d/10.conflist', config };
const broken: Found = { kind: 'broken', file: '/net.d/10.conflist', reason: 'it is empty' };
const none: Found = { kind: 'none' };

const pod = {
  id: 'one',
  netnsPath: '/net',
  name: 'web',
  namespace: 'default',
  uid: 'uid',
  annotations: {},
  portMappings: [],
  cgroupPath: '/pods',
};

/** Networks that note what is asked of them, and the notes. */
function networksWith(found: Found, choice: NetworkChoice = 'auto'): [Networks, string[]] {
  const asked: string[] = [];
  const note = (what: string) => void asked.push(what);
  const bridge = {
    addPod: async () => {
      note('bridge add');
      return { address: '10.88.0.2', additionalAddresses: [] };
    },
    removePod: async (id: string) => note(`bridge remove ${id}`),
    readiness: () => ({ ready: false as const, reason: 'Bridge', message: 'of the bridge' }),
    tend: () => note('bridge tend'),
    reconcile: async () => note('bridge reconcile'),
    close: async () => note('bridge close'),
    findOrphans: async () => [{ kind: 'link' as const, subject: 'link', problem: 'is gone' }],
  };
  const networks = chooseNetwork({
    choice,
    bridge,
    cni: {
      current: async () => found,
      addPod: async () => {
        note('cni add');
        return { address: '198.18.0.2', additionalAddresses: [] };
      },
      removePod: async (id) => note(`cni remove ${id}`),
      checkPod: async (id) => {
        if (id === 'two') throw new Error('no route');
      },
      connectedPods: () => ['one', 'two', 'owed', 'stranger'],
      isDelOwed: (id) => id === 'owed',
      readiness: async () => ({ ready: true }),
      reconcile: () => note('cni reconcile'),
      describePod: (id) => (id === 'one' ? { cniVersion: '1.0.0' } : undefined),
      close: () => note('cni close'),
    },
  });
  return [networks, asked];
}

it.each([
  ['auto', valid, 'cni add'],
  ['auto', none, 'bridge add'],
  ['cni', valid, 'cni add'],
  ['bridge', valid, 'bridge add'],
  ['bridge', broken, 'bridge add'],
] as const)('Networks of the choice %s with %j: %s', async (choice, found, expected) => {
  const [networks, asked] = networksWith(found, choice);
  await networks.addPod(pod);
  expect(asked).toEqual([expected]);
});

const brokenWords = 'use CNI configuration "/net.d/10.conflist": it is empty';

it.each([
  { choice: 'auto', found: broken, reason: 'CniConfigBroken', words: brokenWords },
  { choice: 'cni', found: broken, reason: 'CniConfigBroken', words: brokenWords },
  {
    choice: 'cni',
    found: none,
    reason: 'CniConfigMissing',
    words: 'there is no CNI configuration',
  },
] as const)('Networks refuse pods: $choice, $reason', async ({ choice, found, reason, words }) => {
  const [networks, asked] = networksWith(found, choice);
  await expect(networks.addPod(pod)).rejects.toThrow(words);
  expect(asked).toEqual([]);
  const message = expect.stringContaining(words);
  expect(await networks.readiness()).toEqual({ ready: false, reason, message });
});

it('Networks are as ready as the one in force', async () => {
  expect(await networksWith(valid)[0].readiness()).toEqual({ ready: true });
  expect(await networksWith(none)[0].readiness()).toMatchObject({ reason: 'Bridge' });
  expect(await networksWith(valid, 'bridge')[0].readiness()).toMatchObject({ reason: 'Bridge' });
});

it.each([
  [valid, 'auto', ['bridge tend']],
  [broken, 'auto', ['bridge tend']],
  [none, 'cni', ['bridge tend']],
  [none, 'auto', []],
] as const)(
  'with %j and %s, a look at the readiness means: %j',
  async (found, choice, expected) => {
    const [networks, asked] = networksWith(found, choice);
    await networks.readiness();
    expect(asked).toEqual(expected);
  },
);

it('Networks take a pod down, and look after what an earlier daemon left, in both', async () => {
  const [networks, asked] = networksWith(none);
  await networks.removePod('one');
  await networks.reconcile(new Set());
  await networks.close();
  expect(asked).toEqual([
    'cni remove one',
    'bridge remove one',
    'cni reconcile',
    'bridge reconcile',
    'cni close',
    'bridge close',
  ]);
});

it('Networks find what is wrong in both: what is owed a DEL, and pods of which plugins miss something', async () => {
  const [networks, asked] = networksWith(none);
  const findings = await networks.findOrphans(new Set(['one', 'two', 'owed']));
  expect(findings.map(({ subject, problem }) => `${subject} ${problem}`)).toEqual([
    'link is gone',
    'CNI attachment of pod two no route',
    'CNI attachment of pod owed is owed a DEL',
    'CNI attachment of pod stranger is owed a DEL',
  ]);
  for (const { fix } of findings) await fix?.();
  expect(asked).toEqual(['cni remove owed', 'cni remove stranger']);
});

it('Networks tell which one is in force, and which one a pod is in', async () => {
  const [networks] = networksWith(valid);
  expect(await networks.describe()).toEqual({ network: 'cni', ...valid });
  expect(await networksWith(none)[0].describe()).toEqual({ network: 'bridge' });
  expect(networks.describePod('one')).toEqual({ network: 'cni', cniVersion: '1.0.0' });
  expect(networks.describePod('other')).toEqual({});
});
