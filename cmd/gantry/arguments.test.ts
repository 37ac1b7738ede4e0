import { expect, it } from 'vitest';
import { type Environment, parseArguments } from './arguments.ts';
import { imagesExport } from './images-export.ts';
import { commands } from './commands.ts';

const wishes = async (environment: Environment, ...args: readonly string[]) => {
  const wanted = await parseArguments(['images', 'ls', ...args], environment);
  return wanted.kind === 'run' ? wanted.wishes : undefined;
};

it('takes the address of the flag over that of the environment', async () => {
  const environment = { GANTRY_ADDRESS: '/environment.sock' };
  expect(await wishes(environment)).toMatchObject({ address: '/environment.sock' });
  for (const args of [['--address', '/flag.sock'], ['--address=unix:///flag.sock']]) {
    expect(await wishes(environment, ...args)).toMatchObject({ address: '/flag.sock' });
  }
});

it('asks no daemon of the environment about another one’s folders', async () => {
  const environment = { GANTRY_ADDRESS: '/environment.sock' };
  for (const args of [
    ['--state', '/s'],
    ['--root', '/r'],
    ['--config', '/c'],
  ]) {
    expect(await wishes(environment, ...args)).toMatchObject({ address: undefined });
  }
});

it('takes an empty variable for none', async () => {
  const none = { address: undefined, config: undefined };
  expect(await wishes({ GANTRY_ADDRESS: '', GANTRY_CONFIG: '' })).toMatchObject(none);
});

it('knows flags before the command and after it, and hands the rest over', async () => {
  expect(
    await parseArguments(['--json', 'images', 'export', 'a', '-o', 'file', 'b'], {}),
  ).toMatchObject({
    kind: 'run',
    command: imagesExport,
    invocation: { isJson: true, operands: ['a', 'b'], options: { output: 'file' } },
  });
  expect(await parseArguments(['images', 'import', '-'], {})).toMatchObject({
    invocation: { operands: ['-'] },
  });
});

it.each([
  [['--help'], { kind: 'help' }],
  [['help'], { kind: 'help' }],
  [['help', 'ps'], { kind: 'command-help', name: 'ps' }],
  [['images', 'rm', '-h'], { kind: 'command-help', name: 'images rm' }],
  [['images', '-h'], { kind: 'command-help', name: 'images' }],
  [['--version'], { kind: 'version' }],
  [['ps', '-a', 'images'], { kind: 'run', invocation: { operands: ['images'] } }],
])('understands %j', async (args, wanted) => {
  expect(await parseArguments(args, {})).toMatchObject(wanted);
});

it.each([
  [[], 'no command'],
  [['nothing', 'x'], 'no command "nothing x"'],
  [['toString'], 'no command "toString"'],
  [['images', 'pull'], '"gantry images pull IMAGE" does not go with 0 operands'],
  [
    ['images', 'ls', 'x'],
    '"gantry images ls" does not go with one operand; gantry images ls --help',
  ],
  [['help', 'nope'], 'no command "nope"; gantry --help'],
  [['nope', '--help'], 'no command "nope"; gantry --help'],
  [['images', 'ls', '--name', 'x'], "Unknown option '--name'; gantry images ls --help"],
])('refuses %j', async (args, message) => {
  await expect(parseArguments(args, {})).rejects.toThrow(
    expect.objectContaining({ exitCode: 2, message: expect.stringContaining(message) }),
  );
});

it('has a help for each command that says what is in its synopsis', async () => {
  for (const [name, { load }] of commands) {
    const { synopsis, details, flags } = await load();
    for (const flag of Object.keys(flags)) expect(details, name).toContain(`--${flag}`);
    expect(details, name).toMatch(/\.\n|\n$/);
    expect(synopsis, name).not.toMatch(/\s$/);
  }
});
