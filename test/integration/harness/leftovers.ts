import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { Place } from './place.ts';
import { eventually } from './wait.ts';

const run = promisify(execFile);

/**
 * Everything on this machine that belongs to pods of the daemon of `place`, one line each, sorted. Two
 * of these lists, before and after, show what leaked.
 */
export function podLeftovers(place: Place): string[] {
  return [
    ...mountsBelow(place.directory).map((target) => `mount ${target}`),
    ...ports(place).map((name) => `link ${name}`),
    ...cgroups(place).map((path) => `cgroup ${path}`),
    ...processes(place).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...[place.root, place.state].flatMap(idFolders).map((path) => `folder ${path}`),
    ...records(place),
  ].sort();
}

/** `podLeftovers`, and what a daemon without pods takes away when it ends. */
export async function leftovers(place: Place): Promise<string[]> {
  return [
    ...podLeftovers(place),
    ...bridge(place).map((name) => `link ${name}`),
    ...cgroupRoots(place).map((path) => `cgroup ${path}`),
    ...(await nftTables(place)).map((table) => `nft ${table}`),
  ];
}

/** Removes by force what `leftovers` lists, when a daemon can no longer do so itself. */
export async function sweep(place: Place): Promise<void> {
  await eventually('processes end', () => {
    const found = processes(place);
    for (const { pid } of found) kill(pid);
    return found.length === 0;
  });
  await unmountBelow(place.directory);
  for (const table of await nftTables(place)) await run('nft', ['delete', ...table.split(' ')]);
  for (const name of [...ports(place), ...bridge(place)]) {
    await run('ip', ['link', 'delete', name]).catch(goneAlready);
  }
  for (const path of [...cgroupRoots(place), ...cgroups(place)].toReversed()) removeCgroup(path);
}

/** Takes away every mount under `directory`, also one that is in use. */
export async function unmountBelow(directory: string): Promise<void> {
  // The last mount is on top of the earlier ones.
  for (const target of mountsBelow(directory).toReversed()) await run('umount', ['-l', target]);
}

function goneAlready(): void {
  // Deleting one end of a veth pair, or its namespace, deletes the other end.
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself since.
  }
}

function removeCgroup(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Absent in this hierarchy.
  }
}

/** Mount points under `directory` (proc_pid_mountinfo(5)), in order of mounting. */
function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo')
    .toString()
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) => target.startsWith(`${directory}/`));
}

/** The links on the bridge of `place`. */
function ports(place: Place): string[] {
  return list(join('/sys/class/net', place.bridge, 'brif'));
}

function bridge(place: Place): string[] {
  return list('/sys/class/net').filter((name) => name === place.bridge);
}

function cgroupRoots(place: Place): string[] {
  const top = '/sys/fs/cgroup';
  const hierarchies = ['', ...list(top)].map((name) => join(top, name, place.cgroupParent));
  return hierarchies.filter((path) => list(path).length > 0);
}

/** The cgroups below the parent of `place`, in every hierarchy, parents first. */
function cgroups(place: Place): string[] {
  return cgroupRoots(place).flatMap(foldersBelow);
}

function foldersBelow(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name))
    .flatMap((child) => [child, ...foldersBelow(child)]);
}

/** Processes in the cgroups of `place`, and those with its folder on their command line, but the daemon. */
export function processes(place: Place): { readonly pid: number; readonly command: string }[] {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({
      pid: Number(pid),
      command: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim(),
      cgroup: readProc(pid, 'cgroup'),
    }))
    .filter(
      ({ command, cgroup }) =>
        (command.includes(`${place.directory}/`) && !command.includes('gantryd/main.')) ||
        cgroup.includes(`:${place.cgroupParent}/`),
    );
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(join('/proc', pid, file), 'utf8');
  } catch {
    return '';
  }
}

/** `table <family> <name>` of each nftables table that names the bridge or the subnet of `place`. */
async function nftTables(place: Place): Promise<string[]> {
  const { stdout } = await run('nft', ['list', 'ruleset']);
  return stdout
    .split(/^(?=table )/m)
    .filter((table) => table.includes(place.bridge) || table.includes(place.subnet))
    .map((table) => table.slice(0, table.indexOf(' {')));
}

/** Folders and files of pods and containers: those named after an id. */
function idFolders(top: string): string[] {
  return list(top)
    .flatMap((kind) => list(join(top, kind)).map((name) => join(top, kind, name)))
    .filter((path) => /^[0-9a-f]{64}/.test(basename(path)));
}

/** Rows of the database about pods and containers: tables named for them, and for their addresses. */
function records(place: Place): string[] {
  const path = join(place.root, 'gantry.db');
  if (!existsSync(path)) return [];
  using database = new DatabaseSync(path, { readOnly: true });
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  return tables
    .map((table) => String(table['name']))
    .filter((name) =>
      /^(sandboxes|containers|image_rootfs|pod_links|pod_addresses|pod_host_ports)$/.test(name),
    )
    .flatMap((name) =>
      database
        .prepare(`SELECT * FROM ${name}`)
        .all()
        .map((row) => `record ${name} ${JSON.stringify(row).slice(0, 200)}`),
    );
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
