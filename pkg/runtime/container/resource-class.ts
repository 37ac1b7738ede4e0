import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import type { Container } from './container.ts';

/** A group of limits that a node's operator has given a name: on block devices, or on caches (RDT). */
export type ClassKind = 'blockio' | 'rdt';

/**
 * The class that a container asks for by annotations: its own, its pod's for it, or its pod's for all.
 * The names are those that containerd and CRI-O know.
 */
export function resourceClass(
  kind: ClassKind,
  { config: { annotations: ofPod } }: Pick<Sandbox, 'config'>,
  { config: { annotations: own, metadata } }: Pick<Container, 'config'>,
): string | undefined {
  const prefix = `${kind}.resources.beta.kubernetes.io`;
  return (
    own[`io.kubernetes.cri.${kind}-class`] ??
    ofPod[`${prefix}/container.${metadata.name}`] ??
    ofPod[`${prefix}/pod`]
  );
}
