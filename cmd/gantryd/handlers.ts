import { join } from 'node:path';
import { Fault } from '#errors/fault.ts';
import type { SnapshotKind } from '#image/snapshots/backend.ts';
import { programPath } from '#linux/program.ts';
import type { Log } from '#log/log.ts';
import { given } from '#runtime/given.ts';
import { handlerFeatures } from '#runtime/handler-features.ts';
import type { OciRuntime } from '#runtime/oci-runtime.ts';
import type { Config } from './config.ts';
import { isSystemdNode, usesSystemd } from './config-runtime.ts';
import { findProgram } from './programs.ts';

/**
 * The configured handlers whose program is there, each asked once what it can do: by name and, the
 * default one, by no name as well.
 */
export async function openHandlers(
  { runtime, state }: Pick<Config, 'runtime' | 'state'>,
  log: Log,
): Promise<Map<string, OciRuntime>> {
  if (usesSystemd(runtime) && !isSystemdNode()) {
    throw new Fault(
      'failed-precondition',
      'runtime.cgroup_driver: "systemd" is for nodes that systemd runs (there is no "/run/systemd/system")',
    );
  }
  const found = new Map<string, OciRuntime>();
  for (const [name, handler] of Object.entries(runtime.handlers)) {
    const path = findProgram(handler.path, programPath);
    if (path === undefined) {
      const fields = { handler: name, path: handler.path };
      log.warn(fields, 'a runtime handler is left out: its program is not on this node');
      continue;
    }
    const kind = /(^|\/)crun$/.test(path) ? 'crun' : 'other';
    found.set(name, {
      name,
      path,
      kind,
      root: join(state, 'oci', name),
      options: handler.options,
      cgroupDriver: handler.cgroup_driver ?? runtime.cgroup_driver,
      ...given({ snapshotter: handler.snapshotter }),
      features: await handlerFeatures({ path, kind }),
    });
  }
  const chosen = found.get(runtime.default_handler);
  if (chosen !== undefined) return found.set('', chosen);
  throw new Fault(
    'failed-precondition',
    `runtime.default_handler: the program of "${runtime.default_handler}" is not on this node`,
  );
}

/** What containers may ask for beside the node's usual snapshotter. */
export function handlerSnapshotters({ runtime }: Pick<Config, 'runtime'>): SnapshotKind[] {
  const kinds = Object.values(runtime.handlers).map(({ snapshotter }) => snapshotter);
  return kinds.filter((kind) => kind !== undefined);
}
