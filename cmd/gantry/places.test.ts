import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findPlaces } from './places.ts';

let folder = '';
let config = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-places-'));
  config = join(folder, 'gantry.toml');
  writeFileSync(config, 'root = "/r"\nstate = "/s"\n[network]\nbridge = "b"\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

it('finds the daemon as its configuration says', async () => {
  expect(await findPlaces({ config })).toEqual({
    address: '/s/admin.sock',
    folders: { root: '/r', state: '/s' },
    config,
  });
});

it('lets flags win', async () => {
  expect(await findPlaces({ config, state: '/t', address: '/a' })).toMatchObject({
    address: '/a',
    folders: { root: '/r', state: '/t' },
  });
  writeFileSync(config, 'state = "/s"\nadmin_listen = "/l"\n');
  expect(await findPlaces({ config })).toMatchObject({ address: '/l' });
  expect(await findPlaces({ config, state: '/t' })).toMatchObject({ address: '/t/admin.sock' });
});

it('knows nothing but the socket that was named alone', async () => {
  expect(await findPlaces({ address: '/a' })).toEqual({ address: '/a' });
});

it('says what is wrong with a file that was named', async () => {
  await expect(findPlaces({ config: join(folder, 'none') })).rejects.toThrow(
    'read the configuration',
  );
  writeFileSync(config, 'root = ');
  await expect(findPlaces({ config })).rejects.toThrow('read the configuration');
});
