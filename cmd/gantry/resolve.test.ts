import { expect, it } from 'vitest';
import type { ContainerView, PodView } from '#admin/pod-json.ts';
import { resolveContainer, resolvePod } from './resolve.ts';

const container = (podId: string, fields: Partial<ContainerView>) =>
  ({ podId, state: 'running', attempt: 0, ...fields }) as ContainerView;

const pod = (fields: Partial<PodView>, ...containers: readonly Partial<ContainerView>[]) =>
  ({
    namespace: 'default',
    state: 'ready',
    ...fields,
    containers: containers.map((each) => container(fields.id ?? '', each)),
  }) as PodView;

const pods = [
  pod(
    { id: 'aa11', name: 'web', state: 'stopped' },
    { id: 'c0ff', name: 'nginx', state: 'exited' },
  ),
  pod(
    { id: 'aa22', name: 'web' },
    { id: 'c111', name: 'nginx', state: 'exited' },
    { id: 'c222', name: 'nginx', attempt: 1 },
    { id: 'c333', name: 'sidecar' },
  ),
  pod(
    { id: 'bb33', name: 'job', namespace: 'batch' },
    { id: 'dddd', name: 'main', state: 'exited' },
  ),
  pod({ id: 'cc44', name: 'job', namespace: 'other' }, { id: 'c444', name: 'sidecar' }),
];

it.each([
  ['aa11', 'aa11'],
  ['aa2', 'aa22'],
  ['web', 'aa22'],
  ['default/web', 'aa22'],
  ['batch/job', 'bb33'],
])('means by the pod %s that of id %s', (text, id) => {
  expect(resolvePod(pods, text).id).toBe(id);
});

it.each([
  ['c0ff', 'c0ff'],
  ['dd', 'dddd'],
  ['nginx', 'c222'],
  ['web/nginx', 'c222'],
  ['default/web/sidecar', 'c333'],
  ['aa11/nginx', 'c0ff'],
  ['main', 'dddd'],
  ['batch/job', 'dddd'],
  ['other/job', 'c444'],
])('means by the container %s that of id %s', (text, id) => {
  expect(resolveContainer(pods, text).container.id).toBe(id);
});

it('says what a name may mean', () => {
  expect(() => resolveContainer(pods, 'sidecar')).toThrow(
    '"sidecar" may be each of these containers:\n  c333   default/web/sidecar   running\n  c444   other/job/sidecar     running',
  );
  expect(() => resolvePod(pods, 'job')).toThrow('may be each of these pods');
  expect(() => resolvePod(pods, 'aa')).toThrow('may be each of these pods');
  expect(() => resolveContainer(pods, 'c')).toThrow('may be each of these containers');
});

it.each(['', 'none', 'web/none', 'none/nginx'])('knows no container "%s"', (text) => {
  expect(() => resolveContainer(pods, text)).toThrow(`there is no container "${text}"`);
});
