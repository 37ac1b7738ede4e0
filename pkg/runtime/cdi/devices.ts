import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, Fault, isErrno } from '#errors/fault.ts';
import { type ContainerEdits, parseCdiSpec } from './spec.ts';

/** Annotations with this prefix name devices as well, as before the CRI had a field for them. */
const annotationPrefix = 'cdi.k8s.io/';

/** The devices that a container asks for, `vendor.com/class=name`, each once, in the order of asking. */
export function requestedDevices(
  names: readonly string[],
  annotations: Readonly<Record<string, string>>,
): string[] {
  const annotated = Object.entries(annotations)
    .filter(([key]) => key.startsWith(annotationPrefix))
    .flatMap(([, value]) => value.split(','));
  return [...new Set([...names, ...annotated])];
}

/**
 * What the devices need, in the order in which it is to be applied: for each its own, and before the
 * first of a specification what that needs for all. The folders are read anew each time, for vendors
 * write into them whenever a device comes or goes; of several that describe a device, the last folder's
 * specification counts. A device that is not described is an error that says what else was wrong.
 */
export async function findEdits(
  devices: readonly string[],
  folders: readonly string[],
): Promise<ContainerEdits[]> {
  if (devices.length === 0) return [];
  const { known, broken } = await readFolders(folders);
  const shared = new Set<ContainerEdits>();
  return devices.flatMap((name) => {
    const device = known.get(name);
    if (device === undefined) throw unknownDevice(name, folders, broken);
    const first = shared.has(device.shared) ? [] : [device.shared];
    shared.add(device.shared);
    return [...first, device.own];
  });
}

type Known = ReadonlyMap<string, { readonly own: ContainerEdits; readonly shared: ContainerEdits }>;

async function readFolders(
  folders: readonly string[],
): Promise<{ known: Known; broken: readonly string[] }> {
  const known = new Map<string, { own: ContainerEdits; shared: ContainerEdits }>();
  const broken: string[] = [];
  for (const folder of folders) {
    for (const name of await listSpecs(folder)) {
      try {
        const spec = parseCdiSpec(await readSpec(join(folder, name)));
        for (const device of spec.devices) {
          const edits = { own: device.containerEdits, shared: spec.containerEdits };
          known.set(`${spec.kind}=${device.name}`, edits);
        }
      } catch (error) {
        // Somebody else's device must not suffer.
        broken.push(`"${join(folder, name)}": ${describe(error)}`);
      }
    }
  }
  return { known, broken };
}

async function listSpecs(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /\.(json|ya?ml)$/.test(name)).toSorted();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw new Fault('internal', `read the CDI folder "${folder}"`, { cause: error });
  }
}

async function readSpec(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  if (path.endsWith('.json')) return JSON.parse(text);
  // Few nodes have devices, and few of those describe them in YAML: the parser is not loaded before.
  const { parse } = await import('yaml');
  return parse(text);
}

function unknownDevice(name: string, folders: readonly string[], broken: readonly string[]): Fault {
  const places = folders.map((folder) => `"${folder}"`).join(', ');
  const rest = broken.length === 0 ? '' : `; these could not be read: ${broken.join('; ')}`;
  return new Fault('invalid-argument', `CDI device "${name}" is not described in ${places}${rest}`);
}
