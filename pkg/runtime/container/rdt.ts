import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Linux } from '#api/oci/runtime.ts';
import { type Engine, handlerOf } from '#runtime/engine.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import type { Container } from './container.ts';
import { resourceClass } from './resource-class.ts';

/** Where the kernel has the classes of its processors' caches (resctrl.rst). */
const resctrl = '/sys/fs/resctrl';

/**
 * The RDT class that a container asks for, as the OCI runtime takes it (config-linux.md#intelrdt). A
 * class is a wish: where it cannot be had, the container goes without, with a warning.
 */
export function rdtOf(
  engine: Engine,
  sandbox: Sandbox,
  container: Container,
): Pick<Linux, 'intelRdt'> {
  const name = resourceClass('rdt', sandbox, container);
  if (name === undefined) return {};
  const { features } = handlerOf(engine, container.runtimeHandler);
  if (features.rdt && isRdtClass(resctrl, name)) return { intelRdt: { closID: name } };
  const why = features.rdt ? `it is not in "${resctrl}"` : 'the runtime handler knows of none';
  const fields = { containerId: container.id, class: name };
  engine.log.warn(fields, `an RDT class is not in force: ${why}`);
  return {};
}

/** The kernel has a folder for each class, beside some of its own. */
export function isRdtClass(root: string, name: string): boolean {
  const isOwn = ['info', 'mon_groups', 'mon_data', '.', '..', ''].includes(name);
  if (isOwn || name.includes('/') || name.includes('\0')) return false;
  return statSync(join(root, name), { throwIfNoEntry: false })?.isDirectory() === true;
}
