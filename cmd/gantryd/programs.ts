import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Fault } from '#errors/fault.ts';

/** The absolute path of a program that the configuration names, as a shell would find it. */
export function findProgram(name: string, searchPath: string): string | undefined {
  const candidates = name.includes('/')
    ? [name]
    : searchPath.split(delimiter).map((folder) => join(folder, name));
  return candidates.find(isExecutable);
}

/** The same for a program that the daemon cannot do without. `key` is its configuration key. */
export function requireProgram(name: string, searchPath: string, key: string): string {
  const path = findProgram(name, searchPath);
  if (path !== undefined) return path;
  throw new Fault(
    'failed-precondition',
    `${key}: there is no program "${name}" on this node; install it, or configure its path`,
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
