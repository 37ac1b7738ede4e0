import { expect, it } from 'vitest';
import { parseArguments } from './arguments.ts';
import { commands } from './commands.ts';

const address = (...args: readonly string[]) => {
  const wanted = parseArguments(['images', 'ls', ...args], '/environment.sock');
  return wanted.kind === 'run' ? wanted.address : undefined;
};

it('takes the address of the flag over that of the environment', () => {
  expect(address()).toBe('/environment.sock');
  expect(address('--address', '/flag.sock')).toBe('/flag.sock');
  expect(address('--address=unix:///flag.sock')).toBe('/flag.sock');
});

it('goes to the daemon’s default without either, also where the environment has an empty one', () => {
  for (const environment of [undefined, '']) {
    expect(parseArguments(['images', 'ls'], environment)).toMatchObject({
      address: '/run/gantry/admin.sock',
    });
  }
});

it('knows flags before the command and after it, and hands the rest over', () => {
  expect(
    parseArguments(['--json', 'images', 'export', 'a', '-o', 'file', 'b'], undefined),
  ).toMatchObject({
    kind: 'run',
    command: commands['images export'],
    invocation: { isJson: true, operands: ['a', 'b'], options: { output: 'file' } },
  });
  expect(parseArguments(['images', 'import', '-'], undefined)).toMatchObject({
    invocation: { operands: ['-'] },
  });
});

it.each([
  [['--help'], { kind: 'help' }],
  [['help'], { kind: 'help' }],
  [['images', '--help'], { kind: 'help' }],
  [['images', 'rm', '-h'], { kind: 'command-help', name: 'images rm' }],
  [['--version'], { kind: 'version' }],
])('understands %j', (args, wanted) => {
  expect(parseArguments(args, undefined)).toMatchObject(wanted);
});

it.each([
  [[], 'no command'],
  [['images'], 'no command "images"'],
  [['toString'], 'no command "toString"'],
  [['images', 'pull'], '"gantry images pull IMAGE" does not go with 0 operands'],
  [['images', 'ls', 'x'], '"gantry images ls" does not go with 1 operands'],
  [['images', 'ls', '--name', 'x'], 'command line'],
])('refuses %j', (args, message) => {
  expect(() => parseArguments(args, undefined)).toThrow(
    expect.objectContaining({ exitCode: 2, message: expect.stringContaining(message) }),
  );
});
