import { writeSync } from 'node:fs';
import { describe, isErrno } from '#errors/fault.ts';
import packageJson from '#package' with { type: 'json' };
import { adminClient } from './admin-client.ts';
import { parseArguments, type Wanted } from './arguments.ts';
import { exitCodes, ExitError } from './command.ts';
import { usage, usageOf } from './usage.ts';

// Whoever reads the output may stop doing so, as head(1) does.
process.stdout.on('error', (error) => {
  if (!isErrno(error, 'EPIPE')) throw error;
});

try {
  await run(parseArguments(process.argv.slice(2), process.env['GANTRY_ADDRESS']));
} catch (error) {
  writeSync(2, `gantry: ${describe(error)}\n`);
  process.exitCode = error instanceof ExitError ? error.exitCode : exitCodes.failed;
}

async function run(wanted: Wanted): Promise<void> {
  switch (wanted.kind) {
    case 'version':
      return print(`gantry ${packageJson.version}\n`);
    case 'help':
      return print(usage());
    case 'command-help':
      return print(usageOf(wanted.name, wanted.command));
    case 'run':
      return wanted.command.run({ ...wanted.invocation, admin: adminClient(wanted.address) });
  }
}

function print(text: string): void {
  process.stdout.write(text);
}
