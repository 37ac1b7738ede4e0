import { Fault } from '#errors/fault.ts';

type Wanted = {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
};

/** The streams that a request for a session asks for. `invalid-argument` when they make no sense. */
export function wantedStreams({ tty: hasTerminal, stdin, stdout, stderr }: Wanted) {
  if (!stdin && !stdout && !stderr) {
    throw new Fault('invalid-argument', 'one of stdin, stdout and stderr must be asked for');
  }
  if (hasTerminal && stderr) {
    throw new Fault(
      'invalid-argument',
      'tty and stderr exclude each other: a terminal has one output',
    );
  }
  return { hasTerminal, stdin, stdout, stderr };
}
