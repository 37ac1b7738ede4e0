import { Fault } from '#errors/fault.ts';
import { isDigest } from './digest.ts';

/** Where an image is to be found, complete: `docker.io/library/busybox:latest`. */
export type Reference = {
  /** The registry's host, with its port if one was given. */
  readonly host: string;
  /** The repository, such as `library/busybox`. */
  readonly path: string;
  /** `latest` when there was neither tag nor digest. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
};

// https://github.com/distribution/reference (the grammar in its documentation)
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const domainLabel = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const hostGrammar = `(?:${domainLabel}(?:\\.${domainLabel})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const grammar = new RegExp(
  `^(?:(?<host>${hostGrammar})/)?(?<path>${component}(?:/${component})*)(?::(?<tag>[\\w][\\w.-]{0,127}))?(?:@(?<digest>[^@]+))?$`,
);
const maxNameLength = 255;

/** Reads what people write: without a host it is Docker's, without tag and digest the tag `latest`. */
export function parseReference(text: string): Reference {
  const refuse = (reason: string): never => {
    throw new Fault('invalid-argument', `parse image reference "${text}": ${reason}`);
  };
  const groups = grammar.exec(text)?.groups;
  if (groups === undefined) return refuse(reasonAgainst(text));
  const { digest, tag } = groups;
  if (digest !== undefined && !isDigest(digest)) refuse(`"${digest}" is no sha256 digest`);
  const name = withDefaults(groups['host'], groups['path'] ?? '');
  if (nameOf(name).length > maxNameLength)
    refuse(`the name is longer than ${maxNameLength} characters`);
  if (/^[0-9a-f]{64}$/.test(text)) refuse('64 hexadecimal digits are an image id');
  return { ...name, digest, tag: tag ?? (digest === undefined ? 'latest' : undefined) };
}

/** Reads a name to be given to an image: as above, but without a digest, which nobody can choose. */
export function parseTag(text: string): Reference {
  const reference = parseReference(text);
  if (reference.digest === undefined) return reference;
  throw new Fault('invalid-argument', `name an image "${text}": a name has no digest`);
}

/** Only what has a dot, a colon or a capital, or is `localhost`, before its first slash is a host. */
function withDefaults(first: string | undefined, rest: string): { host: string; path: string } {
  const isHost = first !== undefined && (/[.:A-Z[]/.test(first) || first === 'localhost');
  if (isHost && first !== 'docker.io' && first !== 'index.docker.io')
    return { host: first, path: rest };
  const path = isHost || first === undefined ? rest : `${first}/${rest}`;
  return { host: 'docker.io', path: path.includes('/') ? path : `library/${path}` };
}

function reasonAgainst(text: string): string {
  if (text === '') return 'it is empty';
  if (text !== text.trim()) return 'it begins or ends with a blank';
  const [name = ''] = text.split('@');
  const path = name.slice(name.indexOf('/') + 1);
  if (/[A-Z]/.test(path.split(':')[0] ?? '')) return 'the repository must be in lower case';
  if (text.includes('://')) return 'it must not be a URL';
  return 'it does not have the form [host[:port]/]repository[:tag][@digest]';
}

/** Host and repository: `docker.io/library/busybox`. */
export function nameOf({ host, path }: Pick<Reference, 'host' | 'path'>): string {
  return `${host}/${path}`;
}

/** The whole of it: `docker.io/library/busybox:latest`, `…@sha256:…`, or both. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${nameOf(reference)}${tag}${digest}`;
}
