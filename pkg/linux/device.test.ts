import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findDevices } from './device.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-device-'));
  mkdirSync(join(folder, 'below'));
  writeFileSync(join(folder, 'file'), '');
  execFileSync('mknod', ['-m', '640', join(folder, 'below/disk'), 'b', '259', '70000']);
  execFileSync('mknod', [join(folder, 'null'), 'c', '1', '3']);
});
afterAll(() => rmSync(folder, { recursive: true }));

it('finds a device with its type, numbers, mode and owner', () => {
  const path = join(folder, 'below/disk');
  expect(findDevices(path)).toEqual([
    { path, type: 'b', major: 259, minor: 70_000, fileMode: 0o640, uid: 0, gid: 0 },
  ]);
});

it('finds all devices below a folder, and nothing else', () => {
  const paths = findDevices(folder).map(({ path }) => path);
  expect(paths.toSorted()).toEqual([join(folder, 'below/disk'), join(folder, 'null')]);
});

it('tells what is missing from what is no device', () => {
  expect(() => findDevices(join(folder, 'none'))).toThrow('is missing on the node');
  expect(() => findDevices(join(folder, 'file'))).toThrow('is no device on the node');
});
