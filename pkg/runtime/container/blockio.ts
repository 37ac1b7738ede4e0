import { describe, Fault } from '#errors/fault.ts';
import { findDevices } from '#linux/device.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import type { Container } from './container.ts';
import { resourceClass } from './resource-class.ts';

/** Rates per second. */
type BlockioRates = {
  readonly readBytesPerSecond?: number;
  readonly writeBytesPerSecond?: number;
  readonly readsPerSecond?: number;
  readonly writesPerSecond?: number;
};

/** Limits on block devices, as an operator configures them under a name. */
export type BlockioClass = {
  /** 10 to 1000; what says nothing has 100. */
  readonly weight?: number;
  readonly devices: readonly (BlockioRates & { readonly path: string })[];
};

/** The same with the devices as the kernel knows them: what is written to a cgroup. */
export type IoLimits = {
  readonly weight?: number;
  readonly devices?: readonly (BlockioRates & { readonly major: number; readonly minor: number })[];
};

/**
 * Gives a container that is about to start the block-IO class that it asks for. A class is a wish: what
 * the node cannot do is left out with a warning.
 */
export async function limitBlockio(
  engine: Engine,
  sandbox: Sandbox,
  container: Container,
): Promise<void> {
  const name = resourceClass('blockio', sandbox, container);
  if (name === undefined) return;
  const warn = (error: unknown): void => {
    const fields = { containerId: container.id, class: name, error: describe(error) };
    engine.log.warn(fields, 'a block-IO class is not, or not all, in force');
  };
  const wanted = engine.blockioClasses.get(name);
  if (wanted === undefined)
    return warn(new Fault('not-found', 'runtime.blockio has no such class'));
  for (const limits of limitsOf(wanted)) {
    try {
      await engine.cgroups.setLimits(container.cgroupPath, { io: limits() });
    } catch (error) {
      warn(error);
    }
  }
}

/** One by one, so that the others hold when the kernel lacks one. */
function limitsOf({ weight, devices }: BlockioClass): (() => IoLimits)[] {
  return [
    ...(weight === undefined ? [] : [() => ({ weight })]),
    ...devices.map(({ path, ...rates }) => () => ({
      devices: [{ ...blockDevice(path), ...rates }],
    })),
  ];
}

function blockDevice(path: string): { readonly major: number; readonly minor: number } {
  const [device] = findDevices(path);
  if (device?.type === 'b') return { major: device.major, minor: device.minor };
  throw new Fault('invalid-argument', `"${path}" is no block device`);
}
