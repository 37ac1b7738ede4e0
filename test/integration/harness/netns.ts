import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const runFile = promisify(execFile);

/** A network namespace that takes the place of the node's, so that its firewall is nobody else's. */
export type Netns = AsyncDisposable & {
  /** Of ip-netns(8). */
  readonly name: string;
  /** Runs a program inside; returns what it wrote. Rejects when it fails. */
  readonly run: (program: string, ...args: string[]) => Promise<string>;
};

/** The address that a namespace of these has towards the outside. */
export const outwardAddress = '192.0.2.1';

/**
 * Makes one with loopback up and an interface `out0`, over which its default route leads. Nobody is at
 * the other end.
 */
export async function makeNetns(): Promise<Netns> {
  const name = `gantry-test-${randomBytes(4).toString('hex')}`;
  const run = async (program: string, ...args: string[]) => {
    const inside = [`--net=/run/netns/${name}`, '--', program, ...args];
    return (await runFile('nsenter', inside, { timeout: 20_000 })).stdout;
  };
  await runFile('ip', ['netns', 'add', name]);
  await run('ip', 'link', 'set', 'lo', 'up');
  await run('ip', 'link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'out1');
  await run('ip', 'address', 'add', `${outwardAddress}/24`, 'dev', 'out0');
  for (const link of ['out0', 'out1']) await run('ip', 'link', 'set', link, 'up');
  await run('ip', 'route', 'add', 'default', 'via', '192.0.2.2');
  return {
    name,
    run,
    [Symbol.asyncDispose]: async () => {
      await runFile('ip', ['netns', 'delete', name]);
    },
  };
}
