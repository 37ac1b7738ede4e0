import { writeSync } from 'node:fs';
import { stringify } from 'smol-toml';
import { describe } from '#errors/fault.ts';
import { createLog } from '#log/log.ts';
import packageJson from '#package' with { type: 'json' };
import { type Command, parseArguments, usage } from './arguments.ts';
import { type Config, loadConfig } from './config.ts';
import { startDaemon } from './daemon.ts';

/** How long a daemon that was told to stop may take before it is ended from within. */
const stopWatchdogMs = 20_000;

try {
  await run(parseArguments(process.argv.slice(2)));
} catch (error) {
  writeSync(2, `gantryd: ${describe(error)}\n`);
  process.exitCode = 1;
  watchOverEnd();
}

async function run(command: Command): Promise<void> {
  switch (command.kind) {
    case 'help':
      return print(usage);
    case 'version':
      return print(`gantryd ${packageJson.version}\n`);
    case 'print-config':
      return print(stringify(loadConfig('/dev/null', {})));
    case 'check-config':
      return print(stringify(loadConfig(command.file, command.flags)));
    case 'serve':
      return serve(loadConfig(command.file, command.flags));
  }
}

async function serve(config: Config): Promise<void> {
  const log = createLog(config.log_level);
  process.on('uncaughtException', (error) => {
    log.error({ error, stack: error.stack }, 'ended by a defect; containers go on');
    // Every state on disk is one to start from, and what this one is in nobody knows.
    process.kill(process.pid, 'SIGKILL');
  });
  // From the beginning, so that a signal during the start is heeded after it.
  const told = stopSignal();
  const { version } = packageJson;
  const daemon = await startDaemon({
    config,
    log,
    version,
    notifySocket: process.env['NOTIFY_SOCKET'],
    proxyEnvironment: proxyEnvironment(process.env),
  });
  log.info({ signal: await told }, 'stopping');
  await daemon.stop();
  log.info({}, 'stopped; containers go on');
}

function proxyEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const names = Object.keys(environment).filter((name) => /^(https?|no|all)_proxy$/i.test(name));
  return Object.fromEntries(names.map((name) => [name, environment[name] ?? '']));
}

/** The signal that tells us to stop, once it comes. */
function stopSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => {
      watchOverEnd();
      resolve(name);
    });
  }
  return promise;
}

/** process.exit() can hang on Node 26 (nodejs/node#54918): we end by letting go of everything. */
function watchOverEnd(): void {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), stopWatchdogMs).unref();
}

function print(text: string): void {
  writeSync(1, text);
}
