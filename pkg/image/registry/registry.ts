import type { IncomingMessage } from 'node:http';
import { describe, Fault, faultCode } from '#errors/fault.ts';
import type { Reference } from '#image/reference.ts';
import { type NodeCredentials, nodeSecretFor } from './auth-file.ts';
import { parseChallenges } from './challenge.ts';
import { type Credentials, credentialsFor, type Secret } from './credentials.ts';
import type { Capability, Endpoint } from './endpoint.ts';
import { PassingFault, type Patience, patiently } from './patience.ts';
import { type Connections, type ConnectOptions, connectionsTo, discard, send } from './request.ts';
import { checkStatus } from './status.ts';
import { authorizationFor } from './token.ts';

export type RegistryOptions = ConnectOptions & {
  readonly reference: Reference;
  /** Those of the caller come first. */
  readonly credentials: Credentials | undefined;
  readonly nodeCredentials: readonly NodeCredentials[];
  readonly endpoints: readonly Endpoint[];
  readonly patience: Patience;
};

export type Question = {
  readonly method?: 'GET' | 'HEAD';
  /** Below the repository: `manifests/latest`, `blobs/sha256:…`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly capability: Capability;
};

type Server = { readonly endpoint: Endpoint; readonly connections: Connections };

/**
 * One repository of a registry, through its mirrors or itself
 * (https://github.com/opencontainers/distribution-spec).
 */
export class Registry {
  readonly patience: Patience;
  readonly #reference: Reference;
  readonly #credentials: Credentials | undefined;
  readonly #nodeCredentials: readonly NodeCredentials[];
  readonly #servers: readonly Server[];
  readonly #authorizations = new Map<Server, string>();

  constructor(given: RegistryOptions) {
    const { reference, credentials, nodeCredentials, endpoints, patience, ...options } = given;
    this.patience = patience;
    this.#reference = reference;
    this.#credentials = credentials;
    this.#nodeCredentials = nodeCredentials;
    this.#servers = endpoints.map((endpoint) => ({
      endpoint,
      connections: connectionsTo(endpoint, options),
    }));
  }

  /** What `askOnce` returns, sooner or later: what may pass is waited for, for some seconds. */
  ask(question: Question, signal: AbortSignal): Promise<IncomingMessage> {
    return patiently(() => this.askOnce(question, signal), this.patience, signal);
  }

  /**
   * The first successful answer, its body unread. Throws, when there is none, what the last server
   * said; the message has what the others said.
   */
  async askOnce(question: Question, signal: AbortSignal): Promise<IncomingMessage> {
    const refusals: unknown[] = [];
    for (const server of this.#servers) {
      if (!server.endpoint.capabilities.includes(question.capability)) continue;
      try {
        return await this.#askServer(server, question, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        refusals.push(error);
      }
    }
    throw this.#refused(refusals, question.capability);
  }

  #refused(refusals: readonly unknown[], capability: Capability): unknown {
    const last = refusals.at(-1);
    if (last === undefined) {
      const { host } = this.#reference;
      return new Fault(
        'failed-precondition',
        `no server is configured to ${capability} for "${host}"`,
      );
    }
    if (refusals.length === 1) return last;
    const [code, message] = [faultCode(last), refusals.map(describe).join('; ')];
    const passing = refusals.find((refusal) => refusal instanceof PassingFault);
    // Where the last one cannot be reached at all, a mirror in trouble is what there is to wait for.
    return passing !== undefined && code === 'unavailable'
      ? new PassingFault(code, message, { retryAfterMs: passing.retryAfterMs })
      : new Fault(code, message);
  }

  async #askServer(
    server: Server,
    question: Question,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const name = `registry "${new URL(server.endpoint.base).host}"`;
    const first = await this.#send(server, question, signal);
    if (first.statusCode !== 401) {
      await checkStatus(first, name);
      return first;
    }
    discard(first);
    await this.#authorize(server, first, signal);
    const second = await this.#send(server, question, signal);
    await checkStatus(second, name);
    return second;
  }

  #send(server: Server, question: Question, signal: AbortSignal): Promise<IncomingMessage> {
    const { endpoint, connections } = server;
    const { host, path } = this.#reference;
    const query = endpoint.isMirror ? `?ns=${encodeURIComponent(host)}` : '';
    const authorization = this.#authorizations.get(server);
    const request = {
      method: question.method ?? 'GET',
      url: `${endpoint.base}/${path}/${question.path}${query}`,
      headers: {
        ...endpoint.headers,
        ...question.headers,
        ...(authorization === undefined ? {} : { authorization }),
      },
    };
    return send(connections, request, signal);
  }

  /** Without a way to meet the challenge, the next answer will be the same, and will tell. */
  async #authorize(server: Server, response: IncomingMessage, signal: AbortSignal): Promise<void> {
    const { endpoint, connections } = server;
    const applicant = {
      connections,
      base: endpoint.base,
      scope: `repository:${this.#reference.path}:pull`,
      secret: this.#secretFor(endpoint.base),
    };
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '');
    const authorization = await authorizationFor(challenges, applicant, signal);
    if (authorization === undefined) this.#authorizations.delete(server);
    else this.#authorizations.set(server, authorization);
  }

  #secretFor(base: string): Secret | undefined {
    if (this.#credentials) return credentialsFor(base, this.#reference, this.#credentials);
    return nodeSecretFor(this.#nodeCredentials, new URL(base).host, this.#reference.path);
  }
}
