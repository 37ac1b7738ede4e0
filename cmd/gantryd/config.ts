import { readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { describe, Fault, isErrno } from '#errors/fault.ts';
import { snapshotKinds } from '#image/snapshots/backend.ts';
import { logLevels } from '#log/log.ts';
import { networkChoices } from '#network/networks.ts';
import { parsePool } from '#network/pool.ts';
import { podCgroup } from '#runtime/cgroup-path.ts';
import { cniSchema } from './config-cni.ts';
import { metricsSchema } from './config-metrics.ts';
import { type RuntimeConfig, runtimeSchema, usesSystemd } from './config-runtime.ts';
import { streamingSchema } from './config-streaming.ts';
import { tracingSchema } from './config-tracing.ts';

const absolute = v.pipe(v.string(), v.check(isAbsolute, 'must be an absolute path'));
const program = v.pipe(v.string(), v.nonEmpty('must name a program'));
const cgroup = v.pipe(
  absolute,
  v.check(
    (path) => path !== '/' && !path.split('/').includes('..'),
    'must be a cgroup below the root',
  ),
);
const interfaceName = v.pipe(
  v.string(),
  v.regex(/^[^/\s:]{1,15}$/, 'must be an interface name of at most 15 characters'),
);

const subnets = v.pipe(
  v.array(v.string()),
  v.rawCheck(({ dataset, addIssue }) => {
    try {
      if (dataset.typed) parsePool(dataset.value);
    } catch (error) {
      addIssue({ message: describe(error) });
    }
  }),
);

/**
 * Everything that can be configured, with its default: this is the reference that
 * `gantryd config default` prints. A key that is not here is an error.
 */
const configSchema = v.strictObject({
  root: v.optional(absolute, '/var/lib/gantry'),
  state: v.optional(absolute, '/run/gantry'),
  listen: v.optional(absolute),
  admin_listen: v.optional(absolute),
  log_level: v.optional(v.picklist(logLevels), 'info'),
  cgroup_parent: v.optional(cgroup),
  image: v.optional(
    v.strictObject({
      snapshotter: v.optional(v.picklist(snapshotKinds), 'overlay'),
      certs_dirs: v.optional(v.array(absolute), ['/etc/gantry/certs.d', '/etc/containerd/certs.d']),
      auth_files: v.optional(v.array(absolute), [
        '/var/lib/kubelet/config.json',
        '/root/.docker/config.json',
      ]),
      pinned: v.optional(v.array(v.string()), []),
      max_layer_bytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), 64 * 2 ** 30),
    }),
    {},
  ),
  network: v.optional(
    v.strictObject({
      bridge: v.optional(interfaceName, 'gantry0'),
      subnets: v.optional(subnets, ['10.88.0.0/16']),
      mtu: v.optional(v.pipe(v.number(), v.integer(), v.minValue(576), v.maxValue(65_535))),
      nft: v.optional(program, 'nft'),
      use: v.optional(v.picklist(networkChoices), 'auto'),
      cni: v.optional(cniSchema, {}),
    }),
    {},
  ),
  metrics: v.optional(metricsSchema, {}),
  streaming: v.optional(streamingSchema, {}),
  tracing: v.optional(tracingSchema, {}),
  runtime: v.optional(runtimeSchema, {}),
});

/** Everything that is in force, checked. */
export type Config = v.InferOutput<typeof configSchema> & {
  readonly listen: string;
  readonly admin_listen: string;
  readonly cgroup_parent: string;
};

/** What the command line may set; it wins over the file. */
export type Flags = Partial<Pick<Config, 'root' | 'state' | 'listen' | 'log_level'>>;

const defaultFile = '/etc/gantry/gantry.toml';

/** Of unix(7), without the zero at its end. */
const maxSocketPathBytes = 107;

/** The configuration: flags over the file over the defaults. The default file may be missing. */
export function loadConfig(file: string | undefined, flags: Flags): Config {
  const written = readToml(file);
  // Where nothing was written, only the flags can be wrong.
  const source = file ?? (written === undefined ? undefined : defaultFile);
  // Of what is wrong with one value the first is enough: a number that is not whole is none in its bounds.
  const options = { abortPipeEarly: true };
  const result = v.safeParse(configSchema, { ...written, ...flags }, options);
  if (!result.success) {
    throw refusal(source, result.issues.map(explain).join('; '));
  }
  const config = withPlaces(result.output);
  const problem =
    folderProblem(config) ??
    cgroupProblem(config.cgroup_parent, config.runtime) ??
    handlerProblem(config.runtime);
  if (problem !== undefined) throw refusal(source, problem);
  return config;
}

/** With the defaults that follow from other keys. */
function withPlaces(config: v.InferOutput<typeof configSchema>): Config {
  return {
    ...config,
    cgroup_parent: config.cgroup_parent ?? defaultCgroupParent(config.runtime),
    listen: config.listen ?? join(config.state, 'gantry.sock'),
    admin_listen: config.admin_listen ?? join(config.state, 'admin.sock'),
  };
}

/** Of folders and sockets, each of which is for one thing. */
function folderProblem({ root, state, ...sockets }: Config): string | undefined {
  if (resolve(root) === resolve(state)) return 'root and state must be two folders';
  const { listen, admin_listen: admin } = sockets;
  if (resolve(listen) === resolve(admin)) return 'listen and admin_listen must be two sockets';
  const long = [listen, admin].find((path) => Buffer.byteLength(path) > maxSocketPathBytes);
  if (long === undefined) return undefined;
  return `the socket "${long}" has a path of more than ${maxSocketPathBytes} bytes, which the kernel refuses; use a shorter listen, admin_listen or state`;
}

function defaultCgroupParent(runtime: RuntimeConfig): string {
  return usesSystemd(runtime) ? '/gantry.slice' : '/gantry';
}

/** A pod that brings no parent must be able to run with each handler. */
function cgroupProblem(parent: string, runtime: RuntimeConfig): string | undefined {
  if (!usesSystemd(runtime)) return undefined;
  try {
    podCgroup({ driver: 'systemd', parent, giverUsesSystemd: true });
    return undefined;
  } catch (error) {
    return `cgroup_parent: ${describe(error)}`;
  }
}

function handlerProblem({ handlers, default_handler: name }: RuntimeConfig): string | undefined {
  if (Object.hasOwn(handlers, name)) return undefined;
  const known = Object.keys(handlers).join(', ');
  return `runtime.default_handler: "${name}" is none of runtime.handlers (${known})`;
}

function refusal(file: string | undefined, problem: string): Fault {
  const which = file === undefined ? '' : ` "${file}"`;
  return new Fault('invalid-argument', `configuration${which}: ${problem}`);
}

/** Undefined when there is no default file. */
function readToml(file: string | undefined): object | undefined {
  try {
    return parse(readFileSync(file ?? defaultFile, 'utf8'));
  } catch (cause) {
    if (file === undefined && isErrno(cause, 'ENOENT')) return undefined;
    throw new Fault('invalid-argument', `read the configuration "${file ?? defaultFile}"`, {
      cause,
    });
  }
}

function explain(issue: v.BaseIssue<unknown>): string {
  const key = v.getDotPath(issue) ?? '';
  const { type, expected, received, message } = issue;
  if (type === 'strict_object' && expected === 'never') return `unknown key "${key}"`;
  if (received === 'undefined') return `${key}: is missing`;
  // Where the schema has no words of its own, Valibot puts its own there.
  if (!message.startsWith('Invalid ')) return `${key}: ${message}`;
  const wanted = expected === null ? 'a whole number' : (tomlNames[expected] ?? inWords(expected));
  return `${key}: must be ${wanted}, not ${received}`;
}

const tomlNames: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  Array: 'a list',
  Object: 'a table',
};

/** Of `("a" | "b")`: `"a" or "b"`. Of `>=1`: `1 or more`. */
function inWords(expected: string): string {
  return expected
    .replace(/^\((.*)\)$/, '$1')
    .replaceAll(' | ', ' or ')
    .replace(/^>=(.*)/, '$1 or more')
    .replace(/^<=(.*)/, '$1 or less');
}
