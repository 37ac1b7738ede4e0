import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { Fault, isErrno } from '#errors/fault.ts';
import { decodePassword, sameHost, type Secret } from './credentials.ts';

/** Credentials that a node has for all pods, and the part of the registry's images they are for. */
export type NodeCredentials = {
  /** Such as `quay.io`; each `*` stands for any part of one label. */
  readonly host: string;
  /** The beginning of the repository, in whole components; empty for all. */
  readonly path: string;
  readonly secret: Secret;
};

const text = v.optional(v.string(), '');
const fileSchema = v.object({
  auths: v.nullish(
    v.record(
      v.string(),
      v.object({ auth: text, username: text, password: text, identitytoken: text }),
    ),
    {},
  ),
});
type Entries = NonNullable<v.InferOutput<typeof fileSchema>['auths']>;

/**
 * The credentials in files of the form of Docker's config.json, those of the first file first. Files
 * that are missing count nothing; so do entries without a secret, which stand for a credential
 * helper: no programs are run. Throws `failed-precondition`, naming the file, on what it cannot read.
 */
export async function readAuthFiles(paths: readonly string[]): Promise<readonly NodeCredentials[]> {
  return (await Promise.all(paths.map(readAuthFile))).flat();
}

async function readAuthFile(path: string): Promise<NodeCredentials[]> {
  try {
    return Object.entries(parseAuths(await readFile(path, 'utf8'))).flatMap(([key, entry]) => {
      const secret = secretIn(entry);
      return secret === undefined ? [] : [{ ...placeIn(key), secret }];
    });
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return [];
    throw new Fault('failed-precondition', `read credentials "${path}"`, { cause });
  }
}

/** The parsers' own words would quote the file, and with it secrets. */
function parseAuths(json: string): Entries {
  const result = v.safeParse(fileSchema, parseJson(json));
  if (result.success) return result.output.auths ?? {};
  const [issue] = result.issues;
  const subject = v.getDotPath(issue) ?? 'the file';
  throw new Fault(
    'failed-precondition',
    `${subject}: expected ${issue.expected ?? 'another form'}`,
  );
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new Fault('failed-precondition', 'it is not JSON');
  }
}

function secretIn({
  auth,
  username,
  password,
  identitytoken,
}: Entries[string]): Secret | undefined {
  if (identitytoken !== '') return { identityToken: identitytoken };
  if (username !== '') return { username, password };
  return auth === '' ? undefined : decodePassword(auth);
}

/** Keys are hosts, with or without a repository, or URLs; those of Docker's first API end in `/v1/`. */
function placeIn(key: string): Pick<NodeCredentials, 'host' | 'path'> {
  const [host = '', ...components] = key.replace(/^https?:\/\//, '').split('/');
  return {
    host,
    path: components
      .filter(Boolean)
      .join('/')
      .replace(/^v[12]$/, ''),
  };
}

/** What to show to `host` for images of `repository`: what was given for the longest part of its path. */
export function nodeSecretFor(
  known: readonly NodeCredentials[],
  host: string,
  repository: string,
): Secret | undefined {
  const matching = known.filter(
    (each) =>
      matchesHost(each.host, host) && `${repository}/`.startsWith(each.path && `${each.path}/`),
  );
  const longest = Math.max(...matching.map(({ path }) => path.length));
  return matching.find(({ path }) => path.length === longest)?.secret;
}

function matchesHost(pattern: string, host: string): boolean {
  if (!pattern.includes('*')) return sameHost(pattern, host);
  const labels = pattern.split('*').map((part) => RegExp.escape(part));
  return new RegExp(`^${labels.join('[^.:]*')}$`).test(host);
}
