import { Fault } from '#errors/fault.ts';
import type { ContainerSecurity, ContainerUser } from '#runtime/container/container.ts';

type Account = { readonly name: string; readonly uid: number; readonly gid: number };
type Group = { readonly name: string; readonly gid: number; readonly members: readonly string[] };

/** /etc/passwd and /etc/group of the container's root file system; undefined where there is none. */
export type AccountFiles = {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
};

type Wishes = Pick<
  ContainerSecurity,
  'runAsUser' | 'runAsGroup' | 'runAsUsername' | 'supplementalGroups' | 'supplementalGroupsPolicy'
>;

/**
 * The user that a container's process runs as: run_as_user, else run_as_username, else the image's
 * user (`user`, `uid`, `user:group`, `uid:gid`), else root. The primary group comes first among the
 * additional ones; with the policy `merge` those that the image's /etc/group gives the user follow.
 */
export function resolveUser(wishes: Wishes, imageUser: string, files: AccountFiles): ContainerUser {
  const accounts = parsePasswd(files.passwd ?? '');
  const groups = parseGroup(files.group ?? '');
  const [userPart, groupPart] = chooseUser(wishes, imageUser);
  const account = findAccount(accounts, userPart);
  const gid = wishes.runAsGroup ?? findGid(groups, groupPart) ?? account.gid;
  const fromImage = groups
    .filter(({ members }) => members.includes(account.name))
    .map((group) => group.gid);
  const memberOf =
    wishes.supplementalGroupsPolicy === 'merge' && account.name !== '' ? fromImage : [];
  const additionalGids = [...new Set([gid, ...wishes.supplementalGroups, ...memberOf])];
  return { uid: account.uid, gid, additionalGids };
}

function chooseUser(wishes: Wishes, imageUser: string): [user: string, group: string] {
  if (wishes.runAsUser !== undefined) return [String(wishes.runAsUser), ''];
  if (wishes.runAsUsername !== '') return [wishes.runAsUsername, ''];
  const [user = '', group = ''] = imageUser.split(':');
  return [user, group];
}

/** A number needs no account; a name does. */
function findAccount(accounts: readonly Account[], user: string): Account {
  if (user === '') return findAccount(accounts, '0');
  const isNumber = /^\d+$/.test(user);
  const account = accounts.find(({ name, uid }) =>
    isNumber ? uid === Number(user) : name === user,
  );
  if (account !== undefined) return account;
  if (isNumber) return { name: '', uid: parseId(user, 'user'), gid: 0 };
  throw new Fault('invalid-argument', `user "${user}" is not in the image's /etc/passwd`);
}

function findGid(groups: readonly Group[], group: string): number | undefined {
  if (group === '') return undefined;
  if (/^\d+$/.test(group)) return parseId(group, 'group');
  const found = groups.find(({ name }) => name === group);
  if (found !== undefined) return found.gid;
  throw new Fault('invalid-argument', `group "${group}" is not in the image's /etc/group`);
}

function parseId(text: string, what: string): number {
  const id = Number(text);
  if (id < 2 ** 32 - 1) return id;
  throw new Fault('invalid-argument', `${what} id ${text} is out of range`);
}

/** passwd(5). Lines that are not of its form are passed over, as libc does. */
function parsePasswd(text: string): Account[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 4)
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ uid, gid }) => Number.isInteger(uid) && Number.isInteger(gid));
}

/** group(5). */
function parseGroup(text: string): Group[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 3)
    .map(([name = '', , gid, members = '']) => ({
      name,
      gid: Number(gid),
      members: members.split(','),
    }))
    .filter(({ gid }) => Number.isInteger(gid));
}
