import { status } from '@grpc/grpc-js';
import { writeFileSync } from 'node:fs';
import { describe, expect, inject } from 'vitest';
import { test } from './harness/fixture.ts';
import { buildImage, buildLayer, busyboxLayer, digestOf, type Layer } from './harness/image.ts';
import { containerConfig, runPod, runToEnd, uniqueName, sh } from './harness/pods.ts';
import { blobPath, push } from './harness/registry.ts';

const { host, storage } = inject('registry');

/** A small image that no other test has. */
function uniqueImage() {
  return buildImage([buildLayer([{ type: 'file', path: 'name', content: uniqueName('content') }])]);
}

function topLayer(content: string): Layer {
  return buildLayer([{ type: 'file', path: 'top', content }]);
}

describe('PullImage', () => {
  test('by tag gives an image with its tag, its digest and the id of its configuration', async ({
    daemon: { cri },
  }) => {
    const image = uniqueImage();
    const reference = await push(host, image, `${uniqueName('pull')}:v1`);
    const { imageRef } = await cri.pullImage({ image: { image: reference } });
    expect(imageRef).toBe(image.id);

    const { image: found } = await cri.imageStatus({ image: { image: reference } });
    expect(found).toMatchObject({
      id: image.id,
      repoTags: [reference],
      repoDigests: [`${reference.replace(':v1', '')}@${image.digest}`],
    });
    expect(found?.size).toBeGreaterThan(0);
  });

  test('without a tag takes the one named latest', async ({ daemon: { cri } }) => {
    const reference = await push(host, uniqueImage(), uniqueName('pull'));
    await cri.pullImage({ image: { image: reference.replace(/:latest$/, '') } });
    expect((await cri.imageStatus({ image: { image: reference } })).image).not.toBeNull();
  });

  test('by digest gives an image without tags', async ({ daemon: { cri } }) => {
    const image = uniqueImage();
    const name = uniqueName('pull');
    await push(host, image, name);
    const reference = `${host}/${name}@${image.digest}`;
    const { imageRef } = await cri.pullImage({ image: { image: reference } });
    expect(imageRef).toBe(image.id);

    const { image: found } = await cri.imageStatus({ image: { image: reference } });
    expect(found).toMatchObject({ repoTags: [], repoDigests: [reference] });
  });

  test('of an unknown image says NotFound and names it', async ({ daemon: { cri } }) => {
    const reference = `${host}/no-such-image:v1`;
    await expect(cri.pullImage({ image: { image: reference } })).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: expect.stringContaining(reference),
    });
  });

  test('from a registry that is down starts with the word that kubelet looks for', async ({
    daemon: { cri },
  }) => {
    await expect(cri.pullImage({ image: { image: '127.0.0.1:9/image' } })).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringMatching(/^RegistryUnavailable/),
    });
  });

  test('refuses a malformed reference', async ({ daemon: { cri } }) => {
    await expect(cri.pullImage({ image: { image: 'UPPER//case:' } })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  test('refuses a layer with other bytes than its digest says', async ({ daemon: { cri } }) => {
    const image = uniqueImage();
    const reference = await push(host, image, uniqueName('pull'));
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('the image has a layer');
    writeFileSync(blobPath(storage, layer.digest), Buffer.alloc(layer.blob.length, 'x'));

    await expect(cri.pullImage({ image: { image: reference } })).rejects.toMatchObject({
      details: expect.stringContaining(layer.digest),
    });
    expect((await cri.imageStatus({ image: { image: reference } })).image).toBeNull();
  });

  test('refuses a layer that unpacks to something else than the image says', async ({
    daemon: { cri },
  }) => {
    const layer = buildLayer([{ type: 'file', path: 'name', content: uniqueName('content') }]);
    const lie = digestOf('something else');
    const reference = await push(host, buildImage([{ ...layer, diffId: lie }]), uniqueName('pull'));
    await expect(cri.pullImage({ image: { image: reference } })).rejects.toMatchObject({
      details: expect.stringContaining(lie),
    });
    expect((await cri.imageStatus({ image: { image: reference } })).image).toBeNull();
  });

  test('does not fetch a layer that another image brought', async ({ daemon }) => {
    const { cri } = daemon;
    const base = busyboxLayer();
    const first = await push(host, buildImage([base, topLayer('first')]), uniqueName('shared'));
    const second = await push(host, buildImage([base, topLayer('second')]), uniqueName('shared'));
    await cri.pullImage({ image: { image: first } });
    // Whoever fetches the shared layer from now on gets garbage.
    const shared = blobPath(storage, base.digest);
    writeFileSync(shared, Buffer.alloc(base.blob.length));
    try {
      await cri.pullImage({ image: { image: second } });
    } finally {
      writeFileSync(shared, base.blob);
    }

    await cri.removeImage({ image: { image: first } });
    const pod = await runPod(daemon);
    const command = ['/bin/cat', '/top'];
    const { stdout } = await runToEnd(cri, pod, containerConfig(second, { command }));
    expect(stdout).toBe('second');
  });

  test('hides what the whiteouts of an upper layer remove', async ({ daemon }) => {
    const lower = buildLayer([
      { type: 'file', path: 'gone', content: '' },
      { type: 'file', path: 'kept', content: '' },
      { type: 'directory', path: 'folder/' },
      { type: 'file', path: 'folder/below', content: '' },
      { type: 'directory', path: 'opaque/' },
      { type: 'file', path: 'opaque/below', content: '' },
    ]);
    const upper = buildLayer([
      { type: 'file', path: '.wh.gone', content: '' },
      { type: 'file', path: '.wh.folder', content: '' },
      { type: 'directory', path: 'opaque/' },
      { type: 'file', path: 'opaque/.wh..wh..opq', content: '' },
      { type: 'file', path: 'opaque/above', content: '' },
    ]);
    const image = buildImage([busyboxLayer(), lower, upper]);
    const reference = await push(host, image, uniqueName('whiteout'));
    await daemon.cri.pullImage({ image: { image: reference } });

    const pod = await runPod(daemon);
    const command = sh('ls -d /gone /kept /folder; ls -a /opaque');
    const { stdout } = await runToEnd(daemon.cri, pod, containerConfig(reference, { command }));
    expect(stdout.split('\n')).toEqual(['/kept', '.', '..', 'above', '']);
  });

  test('keeps owners, modes and links of files', async ({ daemon }) => {
    const layer = buildLayer([
      { type: 'file', path: 'mine', content: 'text', mode: 0o4750, uid: 1000, gid: 50_000 },
      { type: 'hardlink', path: 'same', target: 'mine' },
      { type: 'symlink', path: 'pointer', target: '/mine' },
    ]);
    const reference = await push(host, buildImage([busyboxLayer(), layer]), uniqueName('files'));
    await daemon.cri.pullImage({ image: { image: reference } });

    const pod = await runPod(daemon);
    const command = sh("stat -c '%a %u %g %h' /mine /same; readlink /pointer");
    const { stdout } = await runToEnd(daemon.cri, pod, containerConfig(reference, { command }));
    expect(stdout).toBe('4750 1000 50000 2\n4750 1000 50000 2\n/mine\n');
  });

  test('asked twice at once gives both the same image', async ({ daemon: { cri } }) => {
    const image = uniqueImage();
    const reference = await push(host, image, uniqueName('pull'));
    const pulls = [1, 2, 3].map(async () => cri.pullImage({ image: { image: reference } }));
    expect((await Promise.all(pulls)).map(({ imageRef }) => imageRef)).toEqual(
      pulls.map(() => image.id),
    );
  });

  test('given up by its caller leaves no image, and works when repeated', async ({
    daemon: { cri },
  }) => {
    const layer = buildLayer([{ type: 'file', path: 'large', content: Buffer.alloc(32 << 20) }]);
    const reference = await push(host, buildImage([layer]), uniqueName('pull'));
    await expect(
      cri.pullImage({ image: { image: reference } }, { timeoutMs: 1 }),
    ).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect((await cri.imageStatus({ image: { image: reference } })).image).toBeNull();
    await cri.pullImage({ image: { image: reference } });
  });
});
