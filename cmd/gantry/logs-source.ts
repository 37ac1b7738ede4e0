import type { ContainerView, PodView } from '#admin/pod-json.ts';
import { ExitError } from './command.ts';
import { resolveContainer, resolvePod } from './resolve.ts';

/** A container with its log. */
export type Logged = {
  readonly pod: PodView;
  readonly container: ContainerView;
  readonly path: string;
};

/** Whose logs: a pod's or a container's. */
export type LogSource = { readonly wanted: string; readonly isPrevious: boolean };

/**
 * The logs that are wanted: those of all containers of a pod, or that of one container. Of several
 * attempts of a container the latest counts, or the one before.
 */
export function findLogs(pods: readonly PodView[], { wanted, isPrevious }: LogSource): Logged[] {
  const { pod, containers } = wantedContainers(pods, wanted);
  const attempts = isPrevious
    ? containers.flatMap((container) => previousAttempt(pod, container) ?? [])
    : containers;
  const found = attempts
    .filter(({ logPath }) => logPath !== '')
    .map((container) => ({ pod, container, path: container.logPath }));
  if (found.length > 0) return found;
  const why =
    attempts.length > 0
      ? 'no log: none was asked for'
      : isPrevious
        ? 'no attempt before the latest one'
        : 'no containers';
  throw new ExitError('failed', `"${wanted}" has ${why}`);
}

function wantedContainers(pods: readonly PodView[], wanted: string): Wanted {
  const isPod = ({ id, namespace, name }: PodView) =>
    [id, name, `${namespace}/${name}`].includes(wanted);
  if (pods.some(isPod)) return allOf(resolvePod(pods, wanted));
  try {
    const { pod, container } = resolveContainer(pods, wanted);
    return { pod, containers: [container] };
  } catch (noContainer) {
    if (!pods.some(({ id }) => wanted !== '' && id.startsWith(wanted))) throw noContainer;
    return allOf(resolvePod(pods, wanted));
  }
}

type Wanted = { readonly pod: PodView; readonly containers: readonly ContainerView[] };

/** The newest attempt of each container; they are in the order of their making. */
function allOf(pod: PodView): Wanted {
  const newest = new Map(pod.containers.map((container) => [container.name, container]));
  return { pod, containers: [...newest.values()] };
}

function previousAttempt(
  { containers }: PodView,
  { id, name }: ContainerView,
): ContainerView | undefined {
  const attempts = containers.filter((container) => container.name === name);
  return attempts[attempts.findIndex((container) => container.id === id) - 1];
}
