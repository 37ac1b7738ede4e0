import { readText } from '#linux/read-file.ts';
import { readdirSync, readlinkSync } from 'node:fs';
import { processWait, type ProcessWait } from './process-wait.ts';

/** The pid of the process that listens on a unix socket: proc_net(5). Undefined when there is none. */
export function socketOwner(path: string): number | undefined {
  const inodes = readText('/proc/net/unix')
    .split('\n')
    .filter((line) => line.endsWith(` ${path}`))
    .map((line) => `socket:[${line.split(/\s+/)[6]}]`);
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  const owner = pids.find((pid) =>
    linksIn(`/proc/${pid}/fd`).some((link) => inodes.includes(link)),
  );
  return owner === undefined ? undefined : Number(owner);
}

/** What each thread of a process does right now. */
export function threadWaits(pid: number): ProcessWait[] {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => processWait(Number(thread), `/proc/${pid}/task/${thread}`))
    .filter((wait) => wait !== undefined);
}

/** What the links in a folder lead to. Those that go while we look are left out. */
function linksIn(folder: string): string[] {
  return orNone(() => readdirSync(folder)).flatMap((name) =>
    orNone(() => [readlinkSync(`${folder}/${name}`)]),
  );
}

function orNone(read: () => string[]): string[] {
  try {
    return read();
  } catch {
    return [];
  }
}
