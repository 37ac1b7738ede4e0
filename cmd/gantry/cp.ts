import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, ExitError, type Invocation } from './command.ts';
import { copyContent, type CopyOptions, copyTree } from './copy-tree.ts';
import { Descriptors, directoryAt, entryAt, type Side, sourceAt } from './cp-sides.ts';
import { resolveContainer } from './resolve.ts';
import { runHere } from './run-here.ts';

export const cp: Command = {
  synopsis: '[-a] CONTAINER:PATH|PATH|- CONTAINER:PATH|PATH|-',
  details: `From a container to the node, or the other way. A directory is copied with all that is in it; where the
destination is a directory that is there, into that, and if the source ends with /., only its
content. Symbolic links are copied as such, and none leads out of the container, whatever its
processes do meanwhile. With -, a tar archive is written to standard output, or read from standard
input and unpacked in the directory that is named; it takes room in ${tmpdir()} meanwhile. Devices,
fifos and sockets are left out. The container need not run, and the daemon neither.

Flags:
  -a, --archive        keep the owners' numbers; else all is root's, as the container has it

Examples:
  gantry cp web/nginx:/etc/nginx ./nginx
  tar -c site | gantry cp - web/nginx:/srv
`,
  flags: { archive: { type: 'boolean', short: 'a' } },
  operands: { min: 2, max: 2 },
  run: async (invocation) => {
    const [from = '', to = ''] = invocation.operands;
    const [source, target] = [await sideOf(invocation, from), await sideOf(invocation, to)];
    if ([source, target].filter((side) => side !== '-' && side.root !== '/').length !== 1) {
      throw new ExitError('usage', 'one of the two must be CONTAINER:PATH');
    }
    const isArchive = invocation.options['archive'] === true;
    if (target === '-' && source !== '-') return toStream(source, isArchive);
    if (source === '-' && target !== '-') return fromStream(target, isArchive);
    if (source !== '-' && target !== '-') copy(source, target, isArchive);
    return undefined;
  },
};

/** A colon after a slash belongs to a path of the node's, as in `./a:b`. */
async function sideOf({ node }: Invocation, text: string): Promise<Side | '-'> {
  if (text === '-') return text;
  const [, name, path = ''] = /^((?!\.{0,2}\/)[^:]+):(.*)$/s.exec(text) ?? [];
  if (name === undefined) return { root: '/', path: text, text };
  const { container } = resolveContainer(await node.pods(), name);
  // A running container has more than its root filesystem: volumes.
  const root =
    container.pid === undefined
      ? join((await node.folders()).state, 'containers', container.id, 'rootfs')
      : `/proc/${container.pid}/root`;
  return { root, path: path === '' ? '/' : `/${path}`, text };
}

function copy(from: Side, to: Side, isArchive: boolean): void {
  using opened = new Descriptors();
  const source = sourceAt(from, opened);
  const options = optionsFor(to, isArchive);
  const directory = directoryAt(to, opened);
  if ('content' in source) {
    if (directory === undefined) throw noDirectory(to);
    return copyContent(source.content, directory, options);
  }
  if (directory !== undefined) {
    return copyTree(source.entry, { directory, name: source.entry.name }, options);
  }
  if (to.path.endsWith('/') && !source.stat.isDirectory()) throw noDirectory(to);
  const entry = entryAt(to, opened);
  if (entry === undefined) throw noDirectory(to);
  return copyTree(source.entry, entry, options);
}

function noDirectory({ text }: Side): ExitError {
  return new ExitError('failed', `there is no directory for "${text}"`);
}

/** The root user of a pod with a user namespace has another number on the node. */
function optionsFor({ root }: Pick<Side, 'root'>, isArchive: boolean): CopyOptions {
  const { uid, gid } = statSync(root);
  return {
    ...(isArchive ? {} : { owner: { uid, gid } }),
    leftOut: (name) => {
      process.stderr.write(`gantry: left out "${name}": no file, directory or symbolic link\n`);
      process.exitCode = 1;
    },
  };
}

async function toStream(from: Side, isArchive: boolean): Promise<number> {
  using folder = scratchFolder();
  copy(from, { root: '/', path: folder.path, text: '-' }, isArchive);
  return await runHere('tar', ['-C', folder.path, '-c', '.']);
}

async function fromStream(to: Side, isArchive: boolean): Promise<number> {
  using folder = scratchFolder();
  const exitCode = await runHere('tar', ['-C', folder.path, '--numeric-owner', '-x', '-f', '-']);
  if (exitCode !== 0) return exitCode;
  copy({ root: '/', path: `${folder.path}/.`, text: '-' }, to, isArchive);
  return 0;
}

function scratchFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'gantry-cp-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
