import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findEdits, requestedDevices } from './devices.ts';

let folder = '';
let folders: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-cdi-'));
  folders = ['etc', 'run', 'absent'].map((name) => join(folder, name));
  for (const path of folders.slice(0, 2)) mkdirSync(path);
});
afterEach(() => rmSync(folder, { recursive: true }));

function describeDevice(file: string, env: string): void {
  const edits = { env: [env] };
  const spec = {
    cdiVersion: '0.6.0',
    kind: 'vendor.com/gpu',
    containerEdits: { env: ['SHARED=1'] },
    devices: [
      { name: '0', containerEdits: edits },
      { name: '1', containerEdits: edits },
    ],
  };
  writeFileSync(join(folder, file), JSON.stringify(spec));
}

async function environment(...names: string[]): Promise<string[]> {
  return (await findEdits(names, folders)).flatMap(({ env }) => env);
}

it('finds devices, what they share before the first of them, and lets the last folder win', async () => {
  describeDevice('etc/vendor.json', 'FROM=etc');
  expect(await environment('vendor.com/gpu=0', 'vendor.com/gpu=1')).toEqual([
    'SHARED=1',
    'FROM=etc',
    'FROM=etc',
  ]);
  describeDevice('run/vendor.json', 'FROM=run');
  expect(await environment('vendor.com/gpu=0')).toEqual(['SHARED=1', 'FROM=run']);
});

it('reads YAML', async () => {
  const text =
    'cdiVersion: 0.6.0\nkind: a.b/c\ndevices:\n- name: x\n  containerEdits:\n    env: [Y=1]\n';
  writeFileSync(join(folder, 'etc/spec.yaml'), text);
  expect(await environment('a.b/c=x')).toEqual(['Y=1']);
});

it('names a device that nobody describes, and the specifications that cannot be read', async () => {
  describeDevice('etc/vendor.json', 'A=1');
  writeFileSync(
    join(folder, 'etc/broken.json'),
    '{"cdiVersion":"0.6.0","kind":"x","devices":[{}]}',
  );
  const error = await findEdits(['vendor.com/gpu=7'], folders).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'invalid-argument' });
  expect(String(error)).toMatch(/"vendor.com\/gpu=7".*broken.json": kind: must be.*devices.0.name/);
  expect(await environment('vendor.com/gpu=0')).toEqual(['SHARED=1', 'A=1']);
});

it('reads nothing when nothing is asked for', async () => {
  writeFileSync(join(folder, 'etc/broken.json'), '{');
  expect(await findEdits([], folders)).toEqual([]);
});

it('takes devices from annotations as well, each once', () => {
  const annotations = { 'cdi.k8s.io/plugin': 'a/b=1,a/b=2', other: 'a/b=3' };
  expect(requestedDevices(['a/b=2'], annotations)).toEqual(['a/b=2', 'a/b=1']);
});
