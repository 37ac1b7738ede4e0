import type { Process } from '#api/oci/runtime.ts';
import { Fault } from '#errors/fault.ts';
import type { ContainerConfig, ContainerUser } from '#runtime/container/container.ts';
import type { ImageForContainer } from '#runtime/engine.ts';

type ImageConfig = ImageForContainer['config'];

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The container's process but for its user's rights: what to run, where, with which environment. */
export function processOf(
  config: ContainerConfig,
  image: ImageConfig,
  { hostname, user }: { readonly hostname: string; readonly user: ContainerUser },
): Pick<Process, 'terminal' | 'args' | 'env' | 'cwd' | 'user'> {
  return {
    terminal: config.tty,
    args: resolveCommand(config, image),
    env: resolveEnvironment(config, image, hostname),
    cwd: config.workingDir || image.workingDir || '/',
    user,
  };
}

/** `command` replaces the image's entrypoint and drops its arguments; `args` replace those alone. */
function resolveCommand({ command, args }: ContainerConfig, image: ImageConfig): string[] {
  const [first] = image.entrypoint;
  const entrypoint = image.entrypoint.length === 1 && first === '' ? [] : image.entrypoint;
  const line =
    command.length > 0
      ? [...command, ...args]
      : [...entrypoint, ...(args.length > 0 ? args : image.cmd)];
  if (line.length > 0 && line[0] !== '') return line;
  throw new Fault('invalid-argument', 'no command: neither the container nor its image names one');
}

/**
 * The image's variables, then the caller's: of those with the same name the last one holds. What an
 * image has without a value is none: some OCI runtimes would refuse to start with it.
 */
function resolveEnvironment(
  { envs, tty }: ContainerConfig,
  image: ImageConfig,
  hostname: string,
): string[] {
  const lines = [
    defaultPath,
    ...(tty ? ['TERM=xterm'] : []),
    `HOSTNAME=${hostname}`,
    ...image.env.filter((line) => line.indexOf('=') > 0),
    ...envs.map(({ key, value }) => `${key}=${value}`),
  ];
  const byName = new Map(lines.map((line) => [line.split('=', 1)[0] ?? '', line]));
  return [...byName.values()];
}
