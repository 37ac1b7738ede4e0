import { type FileHandle, open, readFile, readdir } from 'node:fs/promises';
import { hasCode, isGone } from './error.ts';

/** How the kernel's files are read. What is not there, or is gone, is undefined, or an empty list. */
export type Reader = {
  read(file: string): Promise<string | undefined>;
  list(directory: string): Promise<readonly string[]>;
};

/** Opens and closes a file for each reading. */
export const plainReader: Reader = {
  read: (file) => orNothing(readFile(file, 'utf8')),
  list: async (directory) => (await orNothing(readdir(directory))) ?? [],
};

/** Keeps each file open from its first reading on; a file that is missing then is not looked for again. */
export function openReader(): Reader & AsyncDisposable {
  const handles = new Map<string, Promise<FileHandle | undefined>>();
  const lists = new Map<string, Promise<readonly string[]>>();
  let isClosed = false;
  return {
    read: async (file) => {
      if (isClosed) throw new Error('the reader is closed');
      const handle = await remembered(handles, file, () => orNothing(open(file, 'r')));
      return handle && orNothing(readWhole(handle));
    },
    list: (directory) => remembered(lists, directory, () => plainReader.list(directory)),
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
      for (const handle of await Promise.all(handles.values())) await handle?.close();
    },
  };
}

const usualBytes = 4096;

/**
 * The text of a kernel's file of any length, from its beginning. The kernel makes such a file in one
 * piece: what leaves room in the buffer is all of it.
 */
async function readWhole(handle: FileHandle): Promise<string> {
  for (let size = usualBytes; ; size *= 4) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(size), 0, size, 0);
    if (bytesRead < size) return buffer.toString('utf8', 0, bytesRead);
  }
}

async function orNothing<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    // ENOTSUP: pressure that the kernel does not measure; a threaded cgroup's file.
    if (isGone(error) || hasCode(error, 'ENOTSUP')) return undefined;
    throw error;
  }
}

function remembered<Value>(
  memory: Map<string, Promise<Value>>,
  key: string,
  make: () => Promise<Value>,
): Promise<Value> {
  const known = memory.get(key) ?? make();
  memory.set(key, known);
  return known;
}
