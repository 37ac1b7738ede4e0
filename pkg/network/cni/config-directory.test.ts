import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Found, readConfigDirectory } from './config-directory.ts';

let folder: string;
let directory: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-cni-'));
  directory = join(folder, 'net.d');
});

afterEach(() => rmSync(folder, { recursive: true }));

function list(name: string, ...types: string[]): string {
  return JSON.stringify({ cniVersion: '1.0.0', name, plugins: types.map((type) => ({ type })) });
}

function write(file: string, text: string, into = directory): void {
  mkdirSync(into, { recursive: true });
  writeFileSync(join(into, file), text);
}

function read(): Promise<Found> {
  return readConfigDirectory(directory);
}

async function network(): Promise<string | undefined> {
  const found = await read();
  return found.kind === 'valid' ? found.config.name : undefined;
}

it('readConfigDirectory finds nothing where there is no directory, or no configuration in it', async () => {
  expect(await read()).toEqual({ kind: 'none' });
  write('README', 'x');
  write('10-old.conflist.bak', list('backup', 'a'));
  mkdirSync(join(directory, '00-folder.conf'));
  expect(await read()).toEqual({ kind: 'none' });
});

it('readConfigDirectory takes the first file by name, of whatever kind', async () => {
  write('20.conflist', list('twenty', 'a'));
  expect(await network()).toBe('twenty');
  write('15.json', JSON.stringify({ name: 'fifteen', type: 'b' }));
  expect(await network()).toBe('fifteen');
  write('10.conf', JSON.stringify({ name: 'ten', type: 'b' }));
  expect(await network()).toBe('ten');
  rmSync(join(directory, '10.conf'));
  expect(await network()).toBe('fifteen');
});

it('readConfigDirectory follows a directory that is replaced', async () => {
  write('10.conflist', list('before', 'a'));
  expect(await network()).toBe('before');
  write('10.conflist', list('after', 'a'), join(folder, 'next'));
  renameSync(directory, join(folder, 'last'));
  expect(await network()).toBeUndefined();
  renameSync(join(folder, 'next'), directory);
  expect(await network()).toBe('after');
});

it('readConfigDirectory follows symbolic links, as those of mounted ConfigMaps', async () => {
  write('10.conflist', list('one', 'a'), join(folder, 'v1'));
  write('10.conflist', list('two', 'a'), join(folder, 'v2'));
  mkdirSync(directory);
  symlinkSync('../v1', join(directory, '..data'));
  symlinkSync('..data/10.conflist', join(directory, '10.conflist'));
  expect(await network()).toBe('one');
  symlinkSync('../v2', join(directory, 'new'));
  renameSync(join(directory, 'new'), join(directory, '..data'));
  expect(await network()).toBe('two');
});

it('readConfigDirectory says what is wrong with the first file, and does not take the next', async () => {
  write('10.conflist', '{"name": "half');
  write('20.conflist', list('next', 'a'));
  const file = join(directory, '10.conflist');
  expect(await read()).toEqual({ kind: 'broken', file, reason: 'it is no JSON object' });
});

it('readConfigDirectory tells of a link that leads nowhere', async () => {
  mkdirSync(directory);
  const file = join(directory, '10.conflist');
  symlinkSync('nowhere', file);
  expect(await read()).toMatchObject({
    kind: 'broken',
    file,
    reason: expect.stringContaining('gone'),
  });
});

it('readConfigDirectory does not wait for what a pipe may say', async () => {
  mkdirSync(directory);
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const file = join(directory, '10.conflist');
  symlinkSync('../pipe', file);
  expect(await read()).toEqual({ kind: 'broken', file, reason: 'it is no regular file' });
});

it('readConfigDirectory appends the plugins in the folder of the network', async () => {
  write('10.conflist', list('dbnet', 'inlined'));
  write('20-b.conf', '{"type":"second"}', join(directory, 'dbnet'));
  write('10-a.conf', '{"type":"first","of":"mine"}', join(directory, 'dbnet'));
  write('05-c.conflist', list('not-a-plugin', 'x'), join(directory, 'dbnet'));
  expect(await read()).toMatchObject({
    config: { plugins: [{ type: 'inlined' }, { type: 'first', of: 'mine' }, { type: 'second' }] },
  });
  write('20-b.conf', '{}', join(directory, 'dbnet'));
  expect(await read()).toMatchObject({
    kind: 'broken',
    reason: expect.stringContaining('20-b.conf": it has no "type"'),
  });
});

it('readConfigDirectory appends none where only inlined plugins are wanted', async () => {
  const config = { name: 'dbnet', loadOnlyInlinedPlugins: true, plugins: [{ type: 'inlined' }] };
  write('10.conflist', JSON.stringify(config));
  write('10-a.conf', '{"type":"first"}', join(directory, 'dbnet'));
  expect(await read()).toMatchObject({ config: { plugins: [{ type: 'inlined' }] } });
});

it('readConfigDirectory takes plugins from the folder alone, and wants one', async () => {
  write('10.conflist', '{"name":"dbnet"}');
  expect(await read()).toMatchObject({
    kind: 'broken',
    reason: expect.stringContaining('no plugins'),
  });
  write('10-a.conf', '{"type":"first"}', join(directory, 'dbnet'));
  expect(await read()).toMatchObject({ kind: 'valid', config: { plugins: [{ type: 'first' }] } });
});
