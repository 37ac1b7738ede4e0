import { existsSync, readFileSync } from 'node:fs';
import { runProgram } from './program.ts';

/** Whether the kernel confines by AppArmor profiles. */
export function hasAppArmor(): boolean {
  return readIfThere('/sys/module/apparmor/parameters/enabled').startsWith('Y');
}

/** The names of the AppArmor profiles that the kernel has loaded (apparmor(7)). */
export function loadedAppArmorProfiles(): ReadonlySet<string> {
  const lines = readIfThere('/sys/kernel/security/apparmor/profiles').split('\n');
  return new Set(lines.map((line) => line.replace(/ \(\w+\)$/, '')).filter((name) => name !== ''));
}

/** A profile takes tens of milliseconds to compile; a busy node has other things to do. */
const parserTimeoutMs = 60_000;

/** Loads a profile into the kernel, in the place of one with its name (apparmor_parser(8)). */
export async function loadAppArmorProfile(parser: string, text: string): Promise<void> {
  await runProgram(parser, ['--replace', '--skip-cache'], {
    timeoutMs: parserTimeoutMs,
    input: text,
  });
}

/** Whether the kernel enforces, or reports on, SELinux labels (selinux(8)). */
export function hasSelinux(): boolean {
  return existsSync('/sys/fs/selinux/enforce');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
