import { expect, it } from 'vitest';
import type { Image } from './image.ts';
import { pinnedBy } from './pinned.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const image: Image = {
  id: digest,
  repoTags: ['registry.k8s.io/pause:3.10'],
  repoDigests: [`registry.k8s.io/pause@${digest}`],
  sizeBytes: 1,
  config: {} as Image['config'],
  chainIds: [],
};

it.each([
  ['registry.k8s.io/pause:3.10', true],
  ['registry.k8s.io/pause:*', true],
  ['registry.k8s.io/*', true],
  ['*pause*', true],
  [`registry.k8s.io/pause@${digest}`, true],
  ['registry.k8s.io/pause', false],
  ['registryxk8s.io/pause:*', false],
  ['pause:*', false],
  ['registry.k8s.io/pause:3.1', false],
])('an image is pinned by %s: %s', (pattern, isPinned) => {
  expect(pinnedBy(['docker.io/library/other', pattern])(image)).toBe(isPinned);
});

it('completes references as everywhere', () => {
  expect(pinnedBy(['busybox'])({ ...image, repoTags: ['docker.io/library/busybox:latest'] })).toBe(
    true,
  );
});

it('pins nothing by default, and refuses what is no reference', () => {
  expect(pinnedBy([])(image)).toBe(false);
  expect(() => pinnedBy(['No Reference'])).toThrow('parse image reference "No Reference"');
});
