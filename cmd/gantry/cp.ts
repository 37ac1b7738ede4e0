import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, ExitError, type Invocation } from './command.ts';
import { copyContent, type CopyOptions, copyTree } from './copy-tree.ts';
import { Descriptors, directoryAt, entryAt, type Side, sourceAt } from './cp-sides.ts';
import { resolveContainer } from './resolve.ts';
import { runHere } from './run-here.ts';
import { printable } from './style.ts';

export const cp: Command = {
  synopsis: '[-a] CONTAINER:PATH|PATH|- CONTAINER:PATH|PATH|-',
  details: `From a container to the node, or the other way. A directory is copied with all that is in it; where the
destination is a directory that is there, into that, and if the source ends with /., only its
content. Symbolic links are copied as such, and none leads out of the container, whatever its
processes do meanwhile. With -, a tar archive is written to standard output, or read from standard
input and unpacked in the directory that is named; it takes room in ${tmpdir()} meanwhile. Devices,
fifos and sockets are left out. The container need not run, and the daemon neither.

Flags:
  -a, --archive        keep the owners' numbers; else all is root's, as the container has it, and
                       nothing that comes from a container has set-user-id or set-group-id

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
    if (target === '-' && source !== '-') await toStream(source, isArchive);
    if (source === '-' && target !== '-') await fromStream(target, isArchive);
    if (source !== '-' && target !== '-') copy(source, target, isArchive);
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
  const options = optionsFor(from, to, isArchive);
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

/**
 * The root user of a pod with a user namespace has another number on the node. What a container can
 * put into its files shall not run as root of the node.
 */
function optionsFor(from: Side, to: Side, isArchive: boolean): CopyOptions {
  const { uid, gid } = statSync(to.root);
  return {
    ...(isArchive ? {} : { owner: { uid, gid } }),
    keepsSetId: isArchive || from.root === '/',
    leftOut: (name) => {
      const sentence = `left out "${printable(name)}": no file, directory or symbolic link`;
      process.stderr.write(`gantry: ${sentence}\n`);
      process.exitCode = 1;
    },
  };
}

async function toStream(from: Side, isArchive: boolean): Promise<void> {
  using scratch = scratchFolder();
  const [files, list] = [join(scratch.path, 'files'), join(scratch.path, 'list')];
  mkdirSync(files);
  copy(from, { root: '/', path: files, text: '-' }, isArchive);
  // By name: whoever unpacks it shall not have the scratch folder's own mode for theirs.
  const names = readdirSync(files, { encoding: 'buffer' });
  writeFileSync(list, Buffer.concat(names.flatMap((name) => [Buffer.from('./'), name, nul])));
  await runTar(['-C', files, '-c', '-f', '-', '--null', '--verbatim-files-from', '-T', list]);
}

async function fromStream(to: Side, isArchive: boolean): Promise<void> {
  using folder = scratchFolder();
  await runTar(['-C', folder.path, '--numeric-owner', '-x', '-f', '-']);
  copy({ root: '/', path: `${folder.path}/.`, text: '-' }, to, isArchive);
}

async function runTar(args: readonly string[]): Promise<void> {
  const exitCode = await runHere('tar', args);
  if (exitCode !== 0) throw new ExitError('failed', `tar ended with ${exitCode}`);
}

const nul = Buffer.of(0);

function scratchFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'gantry-cp-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
