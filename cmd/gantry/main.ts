import { writeSync } from 'node:fs';
import { describe, isErrno } from '#errors/fault.ts';
import packageJson from '#package' with { type: 'json' };
import { adminClient } from './admin-client.ts';
import { parseArguments, type Wanted } from './arguments.ts';
import { exitCodes, ExitError } from './command.ts';
import { nodeView } from './node-view.ts';
import { findPlaces } from './places.ts';

// Whoever reads the output may stop doing so, as head(1) does.
process.stdout.on('error', (error) => {
  if (isErrno(error, 'EPIPE')) {
    process.exitCode = 0;
  } else {
    writeSync(2, `gantry: write the output: ${describe(error)}\n`);
    process.exit(exitCodes.failed);
  }
});

try {
  const exitCode = await run(await parseArguments(process.argv.slice(2), process.env));
  if (typeof exitCode === 'number') process.exitCode = exitCode;
} catch (error) {
  writeSync(2, `gantry: ${describe(error)}\n`);
  process.exitCode = error instanceof ExitError ? error.exitCode : exitCodes.failed;
}

async function run(wanted: Wanted): Promise<number | void> {
  switch (wanted.kind) {
    case 'version':
      return print(`gantry ${packageJson.version}\n`);
    case 'help':
      return print((await import('./usage.ts')).usage());
    case 'command-help': {
      const { usageOf } = await import('./usage.ts');
      return print(usageOf(wanted.name, wanted.entry, wanted.command));
    }
    case 'run': {
      const { isLenient } = wanted.command;
      const places = await findPlaces({ ...wanted.wishes, isLenient });
      const admin = adminClient(places.address);
      const node = nodeView(admin, places);
      return wanted.command.run({ ...wanted.invocation, admin, places, node });
    }
  }
}

function print(text: string): void {
  process.stdout.write(text);
}
