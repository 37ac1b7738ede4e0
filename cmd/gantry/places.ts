import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#errors/fault.ts';
import { given } from '#runtime/given.ts';
import { ExitError } from './command.ts';

/** Where the daemon of this node is, and what it keeps where. */
export type Places = {
  /** The daemon's admin socket. */
  readonly address: string;
  /** The configuration file that was named. */
  readonly config?: string;
  /** Absent where only the socket is known. */
  readonly folders?: Folders;
};

/** Where a daemon keeps what outlives a reboot, and what does not. */
export type Folders = { readonly root: string; readonly state: string };

/** What the command line and the environment say; what they do not is in the configuration. */
export type PlaceWishes = {
  readonly address?: string | undefined;
  readonly root?: string | undefined;
  readonly state?: string | undefined;
  readonly config?: string | undefined;
  /** Whether a configuration that cannot be read keeps nobody from looking at the usual places. */
  readonly isLenient?: boolean | undefined;
};

export const defaultConfig = '/etc/gantry/gantry.toml';
export const defaultFolders = { root: '/var/lib/gantry', state: '/run/gantry' };

/**
 * Finds the daemon as it finds itself: by its configuration file, over which flags win. A socket that
 * was named alone may be any daemon's, so that nothing is known of its folders then.
 */
export async function findPlaces(wishes: PlaceWishes): Promise<Places> {
  const { address, root, state, config } = wishes;
  if (address !== undefined && (root ?? state ?? config) === undefined) return { address };
  const { admin_listen: listen, ...file } = await configOf(wishes);
  const folders = {
    ...defaultFolders,
    ...given({ ...file, ...given({ root, state }) }),
  };
  // Whoever names another state folder means the socket in it.
  const configured = state === undefined ? listen : undefined;
  const usual = configured ?? join(folders.state, 'admin.sock');
  return { address: address ?? usual, folders, ...given({ config }) };
}

type ConfigFile = {
  readonly root?: string | undefined;
  readonly state?: string | undefined;
  readonly admin_listen?: string | undefined;
};

async function configOf({ config, isLenient }: PlaceWishes): Promise<ConfigFile> {
  try {
    return await readConfig(config);
  } catch (error) {
    if (isLenient === true) return {};
    throw error;
  }
}

/** The default file may be missing. What else is in it is for `gantryd config check`. */
async function readConfig(path: string | undefined): Promise<ConfigFile> {
  let text: string;
  try {
    text = readFileSync(path ?? defaultConfig, 'utf8');
  } catch (cause) {
    if (path === undefined && isErrno(cause, 'ENOENT', 'EACCES')) return {};
    throw new ExitError('usage', `read the configuration "${path ?? defaultConfig}"`, { cause });
  }
  const { parse } = await import('smol-toml');
  try {
    const values = parse(text);
    const textOf = (key: string) => (typeof values[key] === 'string' ? values[key] : undefined);
    return { root: textOf('root'), state: textOf('state'), admin_listen: textOf('admin_listen') };
  } catch (cause) {
    const sentence = `read the configuration "${path ?? defaultConfig}"`;
    throw new ExitError('failed', sentence, { cause });
  }
}
