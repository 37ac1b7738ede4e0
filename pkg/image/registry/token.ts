import * as v from 'valibot';
import { Fault } from '#errors/fault.ts';
import type { Challenge } from './challenge.ts';
import type { Password, Secret } from './credentials.ts';
import { checkStatus } from './status.ts';
import { type Connections, readBody, send } from './request.ts';

const maxTokenBytes = 1 << 20;
const tokenAnswer = v.object({
  token: v.optional(v.string()),
  access_token: v.optional(v.string()),
});

export type Applicant = {
  readonly connections: Connections;
  /** The registry that asks for a token. */
  readonly base: string;
  /** What we want to do, such as `repository:library/busybox:pull`. */
  readonly scope: string;
  readonly secret: Secret | undefined;
};

/**
 * The Authorization header that meets one of a registry's challenges, or nothing when none can be
 * met. https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/
 */
export async function authorizationFor(
  challenges: readonly Challenge[],
  applicant: Applicant,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const challenge of challenges) {
    if (challenge.scheme === 'bearer') {
      return `Bearer ${await fetchToken(challenge, applicant, signal)}`;
    }
    const { secret } = applicant;
    if (secret && 'password' in secret) return basic(secret);
  }
  return undefined;
}

function basic({ username, password }: Password): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function fetchToken(
  challenge: Extract<Challenge, { scheme: 'bearer' }>,
  { connections, base, scope, secret }: Applicant,
  signal: AbortSignal,
): Promise<string> {
  if (secret && base.startsWith('https:') && !challenge.realm.startsWith('https:')) {
    const sentence = `token server "${challenge.realm}" would see the credentials in the clear`;
    throw new Fault('permission-denied', sentence);
  }
  const wanted = { scope: challenge.scope ?? scope, service: challenge.service };
  const request =
    secret && 'identityToken' in secret
      ? exchange(challenge.realm, wanted, secret.identityToken)
      : ask(challenge.realm, wanted, secret);
  const response = await send(connections, request, signal);
  await checkStatus(response, `token server "${new URL(challenge.realm).host}"`);
  const answer = v.parse(tokenAnswer, JSON.parse(String(await readBody(response, maxTokenBytes))));
  const token = answer.token ?? answer.access_token;
  if (!token) throw new Fault('unauthenticated', `token server "${challenge.realm}" gave no token`);
  return token;
}

type Wanted = { readonly scope: string; readonly service: string | undefined };

function ask(realm: string, { scope, service }: Wanted, password: Password | undefined) {
  const url = new URL(realm);
  url.searchParams.set('scope', scope);
  if (service !== undefined) url.searchParams.set('service', service);
  return { url: url.href, headers: password ? { authorization: basic(password) } : {} };
}

function exchange(realm: string, { scope, service }: Wanted, refreshToken: string) {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: 'gantry',
    refresh_token: refreshToken,
    scope,
    ...(service === undefined ? {} : { service }),
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', url: realm, headers, body: String(form) } as const;
}
