import { expect, it } from 'vitest';
import { formatReference, parseReference } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

it.each([
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1.36', 'docker.io/library/busybox:1.36'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest'],
  ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest'],
  ['grafana/loki:3', 'docker.io/grafana/loki:3'],
  ['registry.k8s.io/pause:3.10', 'registry.k8s.io/pause:3.10'],
  ['localhost/x', 'localhost/x:latest'],
  ['localhost:5000', 'docker.io/library/localhost:5000'],
  ['localhost:5000/x:y', 'localhost:5000/x:y'],
  ['[::1]:5000/a/b', '[::1]:5000/a/b:latest'],
  ['a__b/c--d.e_f', 'docker.io/a__b/c--d.e_f:latest'],
  ['Upper/lower', 'Upper/lower:latest'],
  [`busybox@${digest}`, `docker.io/library/busybox@${digest}`],
  [`quay.io/a/b:v1@${digest}`, `quay.io/a/b:v1@${digest}`],
])('parseReference completes %s', (text, complete) => {
  expect(formatReference(parseReference(text))).toBe(complete);
});

it.each([
  ['', 'it is empty'],
  [' busybox', 'begins or ends with a blank'],
  ['quay.io/Busybox', 'must be in lower case'],
  ['https://quay.io/busybox', 'must not be a URL'],
  ['busybox:', 'form'],
  ['busybox:-x', 'form'],
  [`busybox:${'t'.repeat(129)}`, 'form'],
  ['a//b', 'form'],
  ['a/b/', 'form'],
  ['a___b', 'form'],
  ['busybox@sha256:abc', 'no sha256 digest'],
  ['busybox@md5:abc', 'no sha256 digest'],
  ['a'.repeat(256), 'longer than 255'],
  ['b'.repeat(64), 'are an image id'],
])('parseReference refuses "%s" and says why', (text, reason) => {
  expect(() => parseReference(text)).toThrow(reason);
  expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
});
