import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { resolvConf } from './files.ts';

it('writes search, nameserver and options lines, in this order', () => {
  const dns = { servers: ['10.0.0.1', '10.0.0.2'], searches: ['a.b', 'c'], options: ['ndots:5'] };
  expect(resolvConf(dns)).toBe(
    'search a.b c\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:5\n',
  );
});

it('tells an empty configuration from none', () => {
  expect(resolvConf({ servers: [], searches: [], options: [] })).toBe('');
  expect(resolvConf(undefined)).toBe(readFileSync('/etc/resolv.conf', 'utf8'));
});
