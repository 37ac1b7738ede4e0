import { readdir, readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { Fault, isErrno } from '#errors/fault.ts';
import {
  defaultDialTimeoutMs,
  type Endpoint,
  type EndpointTls,
  plainTls,
  upstreamOf,
} from './endpoint.ts';

const hostEntries = {
  capabilities: v.optional(v.array(v.picklist(['pull', 'resolve', 'push', 'referrers']))),
  ca: v.optional(v.union([v.string(), v.array(v.string())])),
  client: v.optional(
    v.union([v.string(), v.array(v.union([v.string(), v.tuple([v.string(), v.string()])]))]),
  ),
  skip_verify: v.optional(v.boolean(), false),
  override_path: v.optional(v.boolean(), false),
  header: v.optional(v.record(v.string(), v.union([v.string(), v.array(v.string())])), {}),
  dial_timeout: v.optional(v.pipe(v.string(), v.regex(/^\d+(ms|s|m)$/, 'not of the form "30s"'))),
};
const hostTable = v.strictObject(hostEntries);
const hostsFile = v.strictObject({
  ...hostEntries,
  server: v.optional(v.string()),
  host: v.optional(v.record(v.string(), hostTable), {}),
});
type HostTable = v.InferOutput<typeof hostTable>;

/**
 * The servers to ask for images of `host`, in order, as configured in the first of `directories`
 * that says something about it: in `<host>/hosts.toml` or `_default/hosts.toml`, in containerd's
 * format. The registry itself comes last. A directory without that file may hold certificates:
 * `*.crt` to trust, `*.cert` and `*.key` to show.
 *
 * Throws `failed-precondition`, naming the file and the key, on what it does not understand.
 */
export async function endpointsOf(
  host: string,
  directories: readonly string[],
): Promise<readonly Endpoint[]> {
  for (const directory of directories) {
    for (const name of [host, '_default']) {
      const endpoints = await endpointsIn(join(directory, name), host);
      if (endpoints !== undefined) return endpoints;
    }
  }
  return [upstreamOf(host)];
}

async function endpointsIn(
  directory: string,
  host: string,
): Promise<readonly Endpoint[] | undefined> {
  const names = await ignoringMissing(readdir(directory));
  if (names === undefined) return undefined;
  if (!names.includes('hosts.toml')) {
    return [{ ...upstreamOf(host), tls: await certificatesIn(directory, names) }];
  }
  const path = join(directory, 'hosts.toml');
  try {
    return await endpointsFrom(parseHosts(await readFile(path, 'utf8')), directory, host);
  } catch (cause) {
    throw new Fault('failed-precondition', `read "${path}"`, { cause });
  }
}

function parseHosts(text: string): v.InferOutput<typeof hostsFile> {
  const result = v.safeParse(hostsFile, parse(text));
  if (result.success) return result.output;
  const [issue] = result.issues;
  const key = issue.path?.map((item) => String(item.key)).join('.') ?? '';
  const reason = issue.type === 'strict_object' ? 'unknown key' : issue.message;
  throw new Fault('failed-precondition', `key "${key}": ${reason}`);
}

async function endpointsFrom(
  file: v.InferOutput<typeof hostsFile>,
  directory: string,
  host: string,
): Promise<readonly Endpoint[]> {
  const upstream = upstreamOf(host);
  const mirrors = Object.entries(file.host).map(async ([url, table]) => ({
    ...(await endpointFrom(baseOf(url, table), table, directory)),
    isMirror:
      new URL(url.includes('://') ? url : `https://${url}`).host !== new URL(upstream.base).host,
  }));
  const base = file.server === undefined ? upstream.base : baseOf(file.server, file);
  return [...(await Promise.all(mirrors)), await endpointFrom(base, file, directory)];
}

/** Unless told to take the path as it is, the API lies in `/v2` below it. */
function baseOf(text: string, table: Pick<HostTable, 'override_path'>): string {
  const url = new URL(text.includes('://') ? text : `https://${text}`);
  if (!['http:', 'https:'].includes(url.protocol)) {
    throw new Fault('failed-precondition', `server "${text}": neither http nor https`);
  }
  const path = url.pathname.replace(/\/+$/, '');
  return `${url.origin}${table.override_path || path.endsWith('/v2') ? path : `${path}/v2`}`;
}

async function endpointFrom(base: string, table: HostTable, directory: string): Promise<Endpoint> {
  return {
    base,
    isMirror: false,
    capabilities: (table.capabilities ?? ['pull', 'resolve']).filter(
      (capability) => capability === 'pull' || capability === 'resolve',
    ),
    tls: await tlsFrom(table, directory),
    headers: table.header,
    dialTimeoutMs: table.dial_timeout ? milliseconds(table.dial_timeout) : defaultDialTimeoutMs,
  };
}

const unitMs = { ms: 1, s: 1000, m: 60_000 };

function milliseconds(text: string): number {
  const unit = text.endsWith('ms') ? 'ms' : text.endsWith('s') ? 's' : 'm';
  return Number.parseInt(text, 10) * unitMs[unit];
}

async function tlsFrom(table: HostTable, directory: string): Promise<EndpointTls> {
  const read = (path: string) => readFile(isAbsolute(path) ? path : join(directory, path), 'utf8');
  const pairs = [table.client ?? []].flat().map((entry) => [entry].flat());
  return {
    skipVerify: table.skip_verify,
    authorities: await Promise.all([table.ca ?? []].flat().map(read)),
    client: await Promise.all(
      pairs.map(async ([certificate = '', key = certificate]) => ({
        certificate: await read(certificate),
        key: await read(key),
      })),
    ),
  };
}

async function certificatesIn(directory: string, names: readonly string[]): Promise<EndpointTls> {
  const ending = (suffix: string) => names.filter((name) => name.endsWith(suffix)).toSorted();
  const client = ending('.cert').map((name): [string, string] => [
    name,
    name.replace(/\.cert$/, '.key'),
  ]);
  const table = { ...v.parse(hostTable, {}), ca: ending('.crt'), client };
  return ending('.crt').length + client.length === 0 ? plainTls : tlsFrom(table, directory);
}

async function ignoringMissing<Result>(promise: Promise<Result>): Promise<Result | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
