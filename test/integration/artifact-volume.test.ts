import { expect, inject } from 'vitest';
import { test } from './harness/fixture.ts';
import { digestOf, manifestType } from './harness/image.ts';
import {
  containerConfig,
  exec,
  forever,
  runContainer,
  runPod,
  uniqueName,
} from './harness/pods.ts';
import { push } from './harness/registry.ts';

/** What `oras push` makes: files that are no image, each a layer with its name in an annotation. */
function artifact(files: Record<string, string>) {
  const config = Buffer.from('{}');
  const layers = Object.entries(files).map(([title, content]) => {
    const blob = Buffer.from(content);
    return { title, blob, digest: digestOf(blob), diffId: digestOf(blob) };
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: 'application/vnd.example.models',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(config), size: 2 },
    layers: layers.map(({ title, blob, digest }) => ({
      mediaType: 'application/octet-stream',
      digest,
      size: blob.length,
      annotations: { 'org.opencontainers.image.title': title },
    })),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { layers, config, id: digestOf(config), manifest: bytes, digest: digestOf(bytes) };
}

test('an OCI artifact can be mounted as an image volume', async ({ daemon, busybox }) => {
  const model = artifact({ 'weights.bin': 'many numbers', 'README.md': 'how to' });
  const image = await push(inject('registry').host, model, uniqueName('model'));
  await daemon.cri.pullImage({ image: { image } });
  const pod = await runPod(daemon);
  const mounts = [{ containerPath: '/model', readonly: true, image: { image } }];
  const id = await runContainer(daemon.cri, pod, containerConfig(busybox, { ...forever, mounts }));
  const { stdout, stderr } = await exec(
    daemon.cri,
    id,
    'ls /model; cat /model/weights.bin; touch /model/x',
  );
  expect(stdout).toBe('README.md\nweights.bin\nmany numbers');
  expect(stderr).toContain('Read-only file system');
});
