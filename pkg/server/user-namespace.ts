import type * as cri from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import type { IdMapping } from '#runtime/sandbox/sandbox.ts';

const field = 'linux.security_context.namespace_options.userns_options';

/**
 * The user namespace that namespace options ask for; undefined for the node's. Of the mappings that
 * the CRI could express one is allowed: the same for users and groups, from 0 on.
 */
export function userNamespace(
  options: cri.NamespaceOption | null | undefined,
): IdMapping | undefined {
  const wish = options?.usernsOptions ?? null;
  if (wish === null) return undefined;
  if (wish.mode === 2) {
    if (wish.uids.length + wish.gids.length === 0) return undefined;
    throw new Fault('invalid-argument', `${field}: mappings are for the mode POD`);
  }
  if (wish.mode !== 0) throw new Fault('invalid-argument', `${field}.mode: must be POD or NODE`);
  const mapping = singleMapping(wish.uids, `${field}.uids`);
  const groups = singleMapping(wish.gids, `${field}.gids`);
  if (isSame(groups, mapping)) return mapping;
  throw new Fault('invalid-argument', `${field}: uids and gids must be mapped alike`);
}

/** The mapping of a mount, which must be that of its pod; undefined for none. */
export function mountMapping(
  { uidMappings, gidMappings }: cri.Mount,
  pod: IdMapping | undefined,
  mount: string,
): IdMapping | undefined {
  if (uidMappings.length + gidMappings.length === 0) return undefined;
  const users = singleMapping(uidMappings, `${mount}.uidMappings`);
  const groups = singleMapping(gidMappings, `${mount}.gidMappings`);
  if (pod !== undefined && isSame(users, pod) && isSame(groups, pod)) return pod;
  throw new Fault(
    'invalid-argument',
    `${mount}.uidMappings: must be those of the pod's user namespace`,
  );
}

export function isSame(one: IdMapping, other: IdMapping): boolean {
  return one.hostId === other.hostId && one.length === other.length;
}

/** The form in which the CRI has a mapping. */
export function mappingMessage({ hostId, length }: IdMapping): cri.IDMapping {
  return { hostId, containerId: 0, length };
}

function singleMapping(mappings: readonly cri.IDMapping[], name: string): IdMapping {
  const [mapping, ...more] = mappings;
  if (mapping === undefined || more.length > 0) {
    throw new Fault('invalid-argument', `${name}: must be one mapping, not ${mappings.length}`);
  }
  const { hostId, containerId, length } = mapping;
  if (containerId !== 0) throw new Fault('invalid-argument', `${name}[0].container_id: must be 0`);
  if (length === 0) throw new Fault('invalid-argument', `${name}[0].length: must not be 0`);
  if (hostId + length >= 2 ** 32) {
    throw new Fault('invalid-argument', `${name}[0]: goes beyond the ids that there are`);
  }
  return { hostId, length };
}
