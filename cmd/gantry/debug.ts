import { existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerView, PodView } from '#admin/pod-json.ts';
import type { DebugRootfs } from '#admin/routes/lend-rootfs.ts';
import { type Command, ExitError, type Invocation } from './command.ts';
import { containerFlags, podFlags } from './entering.ts';
import type { Folders } from './places.ts';
import { type Found, isUnknown, resolveContainer, resolvePod, unknown } from './resolve.ts';
import { runHere } from './run-here.ts';

export const debug: Command = {
  synopsis: '[--image IMAGE] [--target CONTAINER] POD|CONTAINER [--] [COMMAND [ARG...]]',
  details: `A shell, or COMMAND, in the network and the other namespaces of a pod, as root of the node, with tools
from the node or from an image, which must be there (gantry images pull). What is written to the
image's files goes with the shell. The processes that it sees in /proc are those of --target or of the
CONTAINER, else of the pod's only running container, else the pod's if its containers share theirs.

Flags:
  --image IMAGE        the tools; else the node's
  --target CONTAINER   whose processes to see

Examples:
  gantry debug web
  gantry debug --image nicolaka/netshoot web/nginx tcpdump -i eth0
`,
  flags: { image: { type: 'string' }, target: { type: 'string' } },
  operands: { min: 1, max: Number.POSITIVE_INFINITY, thenCommand: 1 },
  run: async (invocation) => {
    const {
      node,
      operands: [text = '', ...command],
      options,
    } = invocation;
    const pods = await node.pods();
    const folders = await node.folders();
    const { pod, container: named } = podNamed(pods, text);
    const flags = namespaceFlags(pods, pod, { folders, named, target: options['target'] });
    const image = options['image'];
    return typeof image === 'string'
      ? withImage(invocation, image, { flags, command, pod, folders })
      : withNode(flags, command);
  },
};

/** Also by one of its containers, whose processes are meant then. */
function podNamed(pods: readonly PodView[], text: string): Partial<Found> & Pick<Found, 'pod'> {
  try {
    return { pod: resolvePod(pods, text) };
  } catch (error) {
    if (!isUnknown(error)) throw error;
  }
  try {
    return resolveContainer(pods, text);
  } catch (error) {
    throw isUnknown(error) ? unknown('pod or container', text) : error;
  }
}

type Wishes = {
  readonly folders: Folders;
  readonly named: ContainerView | undefined;
  readonly target: unknown;
};

function namespaceFlags(
  pods: readonly PodView[],
  pod: PodView,
  { folders, named, target }: Wishes,
): string[] {
  const shared = podFlags(pod, folders, ['net', 'ipc', 'uts']);
  if (typeof target === 'string') {
    return [...shared, ...containerFlags(resolveContainer(pods, target).container, ['pid'])];
  }
  const running = pod.containers.filter(({ state }) => state === 'running');
  const only = running.length === 1 ? running[0] : undefined;
  const meant = named?.state === 'running' ? named : only;
  return meant === undefined
    ? [...shared, ...podFlags(pod, folders, ['pid'])]
    : [...shared, ...containerFlags(meant, ['pid'])];
}

// In a mount namespace of its own, so that nothing of it is to be seen elsewhere, or stays.
const unshare = ['unshare', '--mount', '--propagation', 'slave', '--'];

function withNode(flags: readonly string[], command: readonly string[]): Promise<number> {
  const script = 'mount -t proc proc /proc && exec "$@"';
  const words = command.length > 0 ? command : [process.env['SHELL'] ?? '/bin/sh'];
  return runHere('nsenter', [...flags, '--', ...unshare, 'sh', '-c', script, 'sh', ...words]);
}

/** $1 type, $2 options, $3 source, $4 directory, $5 the pod's resolv.conf or nothing; then the command. */
const chrootScript = `
mount -t "$1" -o "$2" "$3" "$4" && cd "$4" && mkdir -p proc sys dev etc || exit 1
mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev || exit 1
if [ -n "$5" ]; then rm -f etc/resolv.conf && cp "$5" etc/resolv.conf; fi
shift 5
exec chroot . "$@"
`;

type Wanted = {
  readonly flags: readonly string[];
  readonly command: readonly string[];
  readonly pod: PodView;
  readonly folders: Folders;
};

async function withImage(
  { admin }: Invocation,
  image: string,
  { flags, command, pod, folders }: Wanted,
): Promise<number> {
  const request = { method: 'POST', path: '/v1/debug/rootfs', body: { image } } as const;
  // It is ours for as long as the answer goes on.
  const lending = admin.lines<DebugRootfs>(request);
  const { value: lent } = await lending.next();
  if (lent === undefined) throw new ExitError('failed', 'gantryd has lent no root filesystem');
  const directory = mkdtempSync(join(tmpdir(), 'gantry-debug-'));
  const resolvConf = join(folders.state, 'sandboxes', pod.id, 'resolv.conf');
  const { type, options, source } = lent.mount;
  const words = command.length > 0 ? command : ['/bin/sh'];
  const values = [type, options.join(','), source, directory];
  const files = existsSync(resolvConf) ? resolvConf : '';
  const script = ['sh', '-c', chrootScript, 'sh', ...values, files, ...words];
  const env = Object.fromEntries(lent.env.map((line) => splitOnce(line)));
  try {
    return await runHere('nsenter', [...flags, '--', ...unshare, ...script], env);
  } finally {
    rmdirSync(directory);
    await lending.return();
  }
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}
