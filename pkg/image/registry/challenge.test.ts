import { expect, it } from 'vitest';
import { parseChallenges } from './challenge.ts';

const bearer = { scheme: 'bearer', service: undefined, scope: undefined };

it.each([
  ['Basic realm="x"', [{ scheme: 'basic' }]],
  ['basic', [{ scheme: 'basic' }]],
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    [
      {
        scheme: 'bearer',
        realm: 'https://auth.docker.io/token',
        service: 'registry.docker.io',
        scope: 'repository:a/b:pull,push',
      },
    ],
  ],
  ['BEARER REALM = unquoted , service=s', [{ ...bearer, realm: 'unquoted', service: 's' }]],
  ['Bearer realm="a \\"b\\""', [{ ...bearer, realm: 'a "b"' }]],
  [
    'Negotiate, Basic realm="x", Bearer realm="y"',
    [{ scheme: 'basic' }, { ...bearer, realm: 'y' }],
  ],
  ['Bearer service="without realm"', []],
  ['', []],
  ['="', []],
])('parseChallenges reads %s', (header, challenges) => {
  expect(parseChallenges(header)).toEqual(challenges);
});
