import { expect, it } from 'vitest';
import type { ContainerConfig } from '#runtime/container/container.ts';
import { processOf } from './process.ts';

const image = {
  user: '',
  env: ['PATH=/image', 'A=image'],
  entrypoint: ['/entry'],
  cmd: ['cmd'],
  workingDir: '/work',
  stopSignal: '',
  volumes: [],
};
const user = { uid: 0, gid: 0, additionalGids: [] };
const nothing = { command: [], args: [], envs: [], workingDir: '', tty: false };

function processFor(config: Partial<ContainerConfig>, imageConfig: Partial<typeof image> = {}) {
  const whole = { ...nothing, ...config } as unknown as ContainerConfig;
  return processOf(whole, { ...image, ...imageConfig }, { hostname: 'pod', user });
}

it.each([
  [{}, {}, ['/entry', 'cmd']],
  [{ args: ['x'] }, {}, ['/entry', 'x']],
  [{ command: ['/c'] }, {}, ['/c']],
  [{ command: ['/c'], args: ['x'] }, {}, ['/c', 'x']],
  [{}, { entrypoint: [''] }, ['cmd']],
])('%j on an image with %j runs %j', (config, imageConfig, args) => {
  expect(processFor(config, imageConfig).args).toEqual(args);
});

it('refuses to run nothing', () => {
  expect(() => processFor({}, { entrypoint: [], cmd: [] })).toThrow('no command');
});

it('lets the last of several variables with one name hold', () => {
  const envs = [
    { key: 'A', value: 'x=y\nz' },
    { key: 'B', value: '' },
  ];
  expect(processFor({ envs }).env).toEqual(['PATH=/image', 'HOSTNAME=pod', 'A=x=y\nz', 'B=']);
});

it('passes over what an image has without a value, or without a name', () => {
  const env = processFor({}, { env: ['A', '=x', '', 'B=1'] }).env;
  expect(env.slice(1)).toEqual(['HOSTNAME=pod', 'B=1']);
});

it('gives a path where the image has none, and a terminal type with a terminal', () => {
  const env = processFor({ tty: true }, { env: [] }).env;
  expect(env).toContain('TERM=xterm');
  expect(env.some((line) => line.startsWith('PATH=/usr/local/sbin'))).toBe(true);
});

it.each([
  ['/mine', '/image', '/mine'],
  ['', '/image', '/image'],
  ['', '', '/'],
])('works in "%s" of the container before "%s" of the image', (workingDir, imageDir, cwd) => {
  expect(processFor({ workingDir }, { workingDir: imageDir }).cwd).toBe(cwd);
});
