import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { handlerFeatures } from './handler-features.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-features-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function runtimeThat(name: string, script: string): { path: string; kind: 'other' } {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n[ "$1" = features ] || exit 9\n${script}\n`, { mode: 0o755 });
  return { path, kind: 'other' };
}

it.each([
  [{ path: '/usr/bin/crun', kind: 'crun' }, true],
  // Idmapped mounts came with runc 1.2; Debian 12 has 1.1.
  [{ path: '/usr/sbin/runc', kind: 'other' }, false],
] as const)('%j can mount recursively read-only; idmapped: %s', async (runtime, userNamespaces) => {
  const features = { recursiveReadOnlyMounts: true, userNamespaces };
  expect(await handlerFeatures(runtime)).toMatchObject(features);
});

it('a runtime can do what it tells of', async () => {
  const told = { mountOptions: ['ro', 'rro', 'idmap'], linux: { intelRdt: { enabled: true } } };
  const runtime = runtimeThat('able', `echo '${JSON.stringify(told)}'`);
  const features = { recursiveReadOnlyMounts: true, userNamespaces: true, rdt: true };
  expect(await handlerFeatures(runtime)).toEqual(features);
});

it.each([
  ['without', `echo '{"mountOptions":["ro"]}'`],
  ['silent', 'echo null'],
  ['ignorant', 'echo "unknown command" >&2; exit 1'],
])('a runtime that is %s is taken to be unable', async (name, script) => {
  const features = { recursiveReadOnlyMounts: false, userNamespaces: false, rdt: false };
  expect(await handlerFeatures(runtimeThat(name, script))).toEqual(features);
});
