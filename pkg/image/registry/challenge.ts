/** What a registry wants to see before it answers (RFC 9110, 11.6.1). */
export type Challenge =
  | { readonly scheme: 'basic' }
  | {
      readonly scheme: 'bearer';
      /** Where the token is to be had. */
      readonly realm: string;
      readonly service: string | undefined;
      readonly scope: string | undefined;
    };

const parameter = /^[\s,]*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))/;
const scheme = /^[\s,]*([\w-]+)(?=\s|,|$)/;

/** The challenges of a WWW-Authenticate header that we can meet, in their order. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header;
  for (let match = scheme.exec(rest); match; match = scheme.exec(rest)) {
    rest = rest.slice(match[0].length);
    const parameters = new Map<string, string>();
    for (let pair = parameter.exec(rest); pair; pair = parameter.exec(rest)) {
      rest = rest.slice(pair[0].length);
      const value = pair[2]?.replaceAll(/\\(.)/g, '$1') ?? pair[3] ?? '';
      parameters.set(String(pair[1]).toLowerCase(), value);
    }
    const challenge = challengeOf(String(match[1]).toLowerCase(), parameters);
    if (challenge) challenges.push(challenge);
  }
  return challenges;
}

function challengeOf(name: string, parameters: ReadonlyMap<string, string>): Challenge | undefined {
  if (name === 'basic') return { scheme: 'basic' };
  const realm = parameters.get('realm');
  if (name !== 'bearer' || realm === undefined) return undefined;
  const [service, scope] = [parameters.get('service'), parameters.get('scope')];
  return { scheme: 'bearer', realm, service, scope };
}
