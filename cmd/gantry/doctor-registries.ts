import { existsSync, readdirSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { describe } from '#errors/fault.ts';
import { type Finding, ok, warning } from './finding.ts';

const timeoutMs = 5_000;

/**
 * Whether the registries answer that this node's images are from, that it has certificates or mirrors
 * for, and that `also` names. Proxies are the daemon's; they are not used here.
 */
export async function checkRegistries(
  images: readonly string[],
  { certsDirs, also }: { readonly certsDirs: readonly string[]; readonly also: readonly string[] },
): Promise<Finding[]> {
  const named = images.map(hostOf).filter((host) => host !== undefined);
  const configured = certsDirs.flatMap((folder) => (existsSync(folder) ? hostsIn(folder) : []));
  const hosts = new Set([...named, ...configured, ...also]);
  if (hosts.size === 0) return [ok('registries', 'none is known of; --registry HOST asks one')];
  return Promise.all([...hosts].map(registryFinding));
}

/** `localhost:5000` of `localhost:5000/team/app:v1`. */
function hostOf(reference: string): string | undefined {
  const [first = '', ...rest] = reference.split('/');
  return rest.length > 0 && /[.:]|^localhost$/.test(first) ? first : undefined;
}

function hostsIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, 'hosts.toml')))
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('_'));
}

async function registryFinding(host: string): Promise<Finding> {
  const check = `registry: ${host}`;
  const name = host === 'docker.io' ? 'registry-1.docker.io' : host;
  const isLocal = /^(localhost|127\.|\[::1\])/.test(name);
  const url = `${isLocal ? 'http' : 'https'}://${name}/v2/`;
  const startedAt = performance.now();
  try {
    const status = await statusOf(url);
    const took = `${Math.round(performance.now() - startedAt)} ms`;
    // 401: it wants credentials, and is there.
    if (status < 500) return ok(check, `answers ${status} in ${took}`);
    return warning(check, `${url} answers ${status}`, `curl -v ${url}`);
  } catch (error) {
    return warning(check, `${url}: ${describe(error)}`, `curl -v ${url}`);
  }
}

function statusOf(url: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  request(url, { signal: AbortSignal.timeout(timeoutMs) }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  })
    .on('error', reject)
    .end();
  return promise;
}
