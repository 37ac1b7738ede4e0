import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Fault } from '#errors/fault.ts';
import { captureProgram, type Captured } from '#linux/captured-program.ts';
import { programPath } from '#linux/program.ts';
import type { Log } from '#log/log.ts';
import { type JsonObject, parseJsonObject } from './json-object.ts';
import { PluginFault, toldFault } from './plugin-fault.ts';

export type PluginDeps = {
  /** Where plugins are looked for, the first hit counts. */
  readonly binDirs: readonly string[];
  /** For one run of one plugin. */
  readonly timeoutMs: number;
  readonly log: Log;
  /** Aborted when the daemon stops. */
  readonly signal: AbortSignal;
};

export type PluginCommand = 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC' | 'VERSION';

/** One run of one plugin. */
export type PluginCall = {
  readonly command: PluginCommand;
  /** Names the program. */
  readonly type: string;
  readonly config: object;
  /** `CNI_CONTAINERID` and what else belongs to an attachment. */
  readonly env?: Readonly<Record<string, string>>;
};

/** Results are a few hundred bytes. */
const maxOutputBytes = 1024 * 1024;
const shownCharacters = 500;

/** The program of a plugin; a `failed-precondition` Fault when there is none. */
export async function findPlugin({ binDirs }: PluginDeps, type: string): Promise<string> {
  for (const directory of binDirs) {
    const path = join(directory, type);
    if (await isExecutable(path)) return path;
  }
  throw new Fault(
    'failed-precondition',
    `find CNI plugin "${type}": it is in none of ${binDirs.join(', ')}`,
  );
}

/**
 * Runs a plugin and returns the object that it printed, or undefined when that is nothing. Whatever
 * goes wrong is a Fault with the plugin's name and all that it said.
 */
export async function runPlugin(
  deps: PluginDeps,
  call: PluginCall,
): Promise<JsonObject | undefined> {
  const { command, type } = call;
  const act = `run CNI plugin "${type}" (${command})`;
  if (deps.signal.aborted) throw new Fault('unavailable', `${act}: the daemon is stopping`);
  const path = await findPlugin(deps, type);
  const began = performance.now();
  const captured = await captureProgram(path, {
    env: {
      PATH: programPath,
      ...call.env,
      CNI_COMMAND: command,
      CNI_PATH: deps.binDirs.join(delimiter),
    },
    input: JSON.stringify(call.config),
    timeoutMs: deps.timeoutMs,
    maxOutputBytes,
    signal: deps.signal,
  }).catch((cause: unknown) => {
    throw new Fault('failed-precondition', act, { cause });
  });
  const durationMs = Math.round(performance.now() - began);
  const { exitCode, stderr } = captured;
  deps.log.debug({ plugin: type, command, durationMs, exitCode, stderr }, 'ran a CNI plugin');
  return answerOf(act, captured);
}

function answerOf(act: string, captured: Captured): JsonObject | undefined {
  const { exitCode, stdout, stderr, killedFor } = captured;
  if (killedFor !== undefined) throw new PluginFault('unavailable', `${act}: ${killedFor}`);
  // On standard output, says the specification; some write it to the other one.
  const told = toldFault(act, stdout) ?? (exitCode === 0 ? undefined : toldFault(act, stderr));
  if (told !== undefined) throw told;
  if (exitCode !== 0) {
    const words = [stderr, stdout].map(shown).filter((word) => word !== '');
    throw new PluginFault(
      'internal',
      `${act}: ${[`exit status ${exitCode}`, ...words].join(': ')}`,
    );
  }
  if (stdout.trim() === '') return undefined;
  const answer = parseJsonObject(stdout);
  if (answer !== undefined) return answer;
  throw new PluginFault('internal', `${act}: what it printed is no JSON object: ${shown(stdout)}`);
}

function shown(text: string): string {
  const trimmed = text.trim();
  return trimmed.length > shownCharacters ? `${trimmed.slice(0, shownCharacters)}…` : trimmed;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
