import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from './config.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(text: string): string {
  const file = join(folder, 'gantry.toml');
  writeFileSync(file, text);
  return file;
}

it('takes flags over the file over the defaults', () => {
  const file = write(
    'root = "/srv/gantry"\nlog_level = "debug"\n[network]\nsubnet = "10.1.0.0/16"\n',
  );
  const config = loadConfig(file, { root: '/elsewhere' });
  expect(config).toMatchObject({
    root: '/elsewhere',
    state: '/run/gantry',
    listen: '/run/gantry/gantry.sock',
    log_level: 'debug',
    network: { bridge: 'gantry0', subnet: '10.1.0.0/16' },
    runtime: { default_handler: 'crun' },
  });
});

it('listens in the state directory unless told otherwise', () => {
  expect(loadConfig(write(''), { state: '/run/other' })).toMatchObject({
    listen: '/run/other/gantry.sock',
    admin_listen: '/run/other/admin.sock',
  });
  expect(loadConfig(write('admin_listen = "/run/a.sock"'), {}).admin_listen).toBe('/run/a.sock');
});

it.each([
  ['rooot = "/x"', 'unknown key "rooot"'],
  ['[network]\nbrigde = "x"', 'unknown key "network.brigde"'],
  ['root = "relative"', 'root: must be an absolute path'],
  ['log_level = "loud"', 'log_level: '],
  ['[image]\nsnapshotter = "zfs"', 'image.snapshotter: '],
  ['[runtime]\ndefault_handler = "kata"', 'runtime.default_handler: "kata" is none of'],
  ['[network]\nbridge = "a name that is too long"', 'network.bridge: must be an interface name'],
  ['root = [', 'read the configuration'],
])('refuses %j, naming the key', (text, message) => {
  expect(() => loadConfig(write(text), {})).toThrow(message);
});

it('refuses a file that is not there', () => {
  expect(() => loadConfig(join(folder, 'none.toml'), {})).toThrow('none.toml');
});
