import { expect, it } from 'vitest';
import { resolveUser } from './user.ts';

const files = {
  passwd: 'root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/:/bin/sh\nbroken line\n',
  group: 'root:x:0:\nweb:x:1001:\naudio:x:29:web,other\nvideo:x:44:web\n',
};
const nothing = {
  runAsUsername: '',
  supplementalGroups: [],
  supplementalGroupsPolicy: 'merge',
} as const;

it.each([
  ['', { uid: 0, gid: 0, additionalGids: [0] }],
  ['web', { uid: 1000, gid: 1001, additionalGids: [1001, 29, 44] }],
  ['1000', { uid: 1000, gid: 1001, additionalGids: [1001, 29, 44] }],
  ['web:audio', { uid: 1000, gid: 29, additionalGids: [29, 44] }],
  ['4242', { uid: 4242, gid: 0, additionalGids: [0] }],
  ['4242:77', { uid: 4242, gid: 77, additionalGids: [77] }],
])('the image user "%s" is %j', (imageUser, user) => {
  expect(resolveUser(nothing, imageUser, files)).toEqual(user);
});

it('prefers run_as_user, then run_as_username, to the image', () => {
  const wishes = { ...nothing, runAsUsername: 'web' };
  expect(resolveUser(wishes, 'root', files).uid).toBe(1000);
  expect(resolveUser({ ...wishes, runAsUser: 0, runAsGroup: 5 }, 'web', files)).toMatchObject({
    uid: 0,
    gid: 5,
  });
});

it('leaves out the groups of the image when the policy is strict', () => {
  const wishes = {
    ...nothing,
    supplementalGroups: [7],
    supplementalGroupsPolicy: 'strict',
  } as const;
  expect(resolveUser(wishes, 'web', files).additionalGids).toEqual([1001, 7]);
});

it.each([
  ['nobody', 'user "nobody" is not in the image'],
  ['web:nogroup', 'group "nogroup" is not in the image'],
  ['4294967295', 'out of range'],
])('refuses the image user "%s"', (imageUser, message) => {
  expect(() => resolveUser(nothing, imageUser, files)).toThrow(message);
});

it('does without account files', () => {
  const user = resolveUser({ ...nothing, runAsUser: 12 }, '', {
    passwd: undefined,
    group: undefined,
  });
  expect(user).toEqual({ uid: 12, gid: 0, additionalGids: [0] });
});
