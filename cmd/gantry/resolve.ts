import type { ContainerView, PodView } from '#admin/pod-json.ts';
import { ExitError } from './command.ts';
import { alignedLines } from './table.ts';

/** A container with the pod that it belongs to. */
export type Found = { readonly pod: PodView; readonly container: ContainerView };

/**
 * The pod that `text` means: an id, the beginning of one, a name, or NAMESPACE/NAME. Of several pods
 * of one name, as after a restart, the one that is ready is meant. Throws, with what it may mean,
 * when that is not clear.
 */
export function resolvePod(pods: readonly PodView[], text: string): PodView {
  const matches = matchingPods(pods, text);
  const ready = matches.filter(({ id, state }) => state === 'ready' && !isPrefix(text, id));
  const [match, ...more] = ready.length === 1 ? ready : matches;
  if (match !== undefined && more.length === 0) return match;
  throw unclear('pod', text, matches.map(podCells));
}

/**
 * The container that `text` means: an id, the beginning of one, a name, [NAMESPACE/]POD/CONTAINER, or a
 * pod that has but one. Of several attempts of one container the latest is meant.
 */
export function resolveContainer(pods: readonly PodView[], text: string): Found {
  const all = pods.flatMap((pod) => pod.containers.map((container) => ({ pod, container })));
  const matches = matchingContainers(pods, all, text);
  const running = matches.filter(
    ({ container: { id, state } }) => state === 'running' && !isPrefix(text, id),
  );
  const [match, ...more] = running.length === 1 ? running : matches;
  if (match !== undefined && more.length === 0) return match;
  throw unclear('container', text, matches.map(containerCells));
}

function matchingPods(pods: readonly PodView[], text: string): PodView[] {
  const byId = pods.filter(({ id }) => id === text);
  if (byId.length > 0) return byId;
  const byName = pods.filter(
    ({ namespace, name }) => text === name || text === `${namespace}/${name}`,
  );
  return byName.length > 0 ? byName : pods.filter(({ id }) => isPrefix(text, id));
}

function matchingContainers(
  pods: readonly PodView[],
  all: readonly Found[],
  text: string,
): readonly Found[] {
  const byId = all.filter(({ container }) => container.id === text);
  if (byId.length > 0) return byId;
  const cut = text.lastIndexOf('/');
  const ofPods = cut < 0 ? undefined : new Set(matchingPods(pods, text.slice(0, cut)));
  const name = text.slice(cut + 1);
  const byName = all.filter(
    ({ pod, container }) => container.name === name && (ofPods === undefined || ofPods.has(pod)),
  );
  if (byName.length > 0) return latest(byName);
  const byPrefix = all.filter(({ container }) => isPrefix(text, container.id));
  if (byPrefix.length > 0) return byPrefix;
  const named = new Set(matchingPods(pods, text));
  return latest(all.filter(({ pod }) => named.has(pod)));
}

/** Of each container of a pod, the newest attempt. */
function latest(found: readonly Found[]): Found[] {
  const newest = new Map(found.map((it) => [`${it.pod.id}/${it.container.name}`, it]));
  return [...newest.values()];
}

function isPrefix(text: string, id: string): boolean {
  return /^[0-9a-f]+$/.test(text) && id.startsWith(text);
}

/** What says that nothing has a name. */
export function unknown(kind: string, text: string): ExitError {
  return new ExitError('failed', `there is no ${kind} "${text}"`);
}

/** Whether nothing has the name that was looked for; else it may mean several. */
export function isUnknown(error: unknown): boolean {
  return error instanceof ExitError && error.message.startsWith('there is no ');
}

function unclear(kind: string, text: string, candidates: readonly string[][]): ExitError {
  if (candidates.length === 0) return unknown(kind, text);
  const lines = alignedLines(candidates).map((line) => `\n  ${line}`);
  return new ExitError('failed', `"${text}" may be each of these ${kind}s:${lines.join('')}`);
}

function podCells({ id, namespace, name, state }: PodView): string[] {
  return [id.slice(0, 12), `${namespace}/${name}`, state];
}

function containerCells({ pod, container: { id, name, state } }: Found): string[] {
  return [id.slice(0, 12), `${pod.namespace}/${pod.name}/${name}`, state];
}
