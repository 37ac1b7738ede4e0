import { statfs } from 'node:fs/promises';
import { describe, expect, inject } from 'vitest';
import type { Cri } from './harness/client.ts';
import { test } from './harness/fixture.ts';
import { buildImage, buildLayer, type ImageDefaults } from './harness/image.ts';
import { uniqueName } from './harness/pods.ts';
import { push } from './harness/registry.ts';

/** An image of its own, pulled under each of `tags`. */
async function pulled(cri: Cri, tags: readonly string[], defaults: ImageDefaults = {}) {
  const { host } = inject('registry');
  const content = uniqueName('content');
  const image = buildImage([buildLayer([{ type: 'file', path: 'name', content }])], defaults);
  const name = uniqueName('image');
  const references = [];
  for (const tag of tags) {
    const reference = await push(host, image, `${name}:${tag}`);
    await cri.pullImage({ image: { image: reference } });
    references.push(reference);
  }
  return { ...image, references, byDigest: `${host}/${name}@${image.digest}` };
}

async function status(cri: Cri, image: string) {
  return (await cri.imageStatus({ image: { image } })).image;
}

describe('images', () => {
  test('ImageStatus finds an image by tag, digest and id alike', async ({ daemon: { cri } }) => {
    const { references, byDigest, id } = await pulled(cri, ['a']);
    const byTag = await status(cri, references[0] ?? '');
    expect(byTag?.id).toBe(id);
    expect(await status(cri, byDigest)).toEqual(byTag);
    expect(await status(cri, id)).toEqual(byTag);
    expect(await status(cri, id.replace('sha256:', ''))).toEqual(byTag);
  });

  test('a verbose ImageStatus has the configuration in the words of the OCI', async ({
    daemon: { cri },
  }) => {
    const defaults = { Env: ['A=b'], Cmd: ['/x'], User: '7:8', Volumes: { '/v': {} } };
    const { id } = await pulled(cri, ['a'], defaults);
    const { info } = await cri.imageStatus({ image: { image: id }, verbose: true });
    const told: unknown = JSON.parse(info['info'] ?? '');
    expect(told).toMatchObject({ imageSpec: { os: 'linux', config: defaults } });
    expect((await cri.imageStatus({ image: { image: id } })).info).toEqual({});
  });

  test('ImageStatus of an unknown image is empty, not an error', async ({ daemon: { cri } }) => {
    expect(await status(cri, 'example.com/no/such:image')).toBeNull();
  });

  test('ImageStatus tells a numeric user from a named one', async ({ daemon: { cri } }) => {
    const numeric = await pulled(cri, ['a'], { User: '1002:1003' });
    expect(await status(cri, numeric.id)).toMatchObject({ uid: { value: 1002 }, username: '' });
    const named = await pulled(cri, ['a'], { User: 'alice' });
    expect(await status(cri, named.id)).toMatchObject({ uid: null, username: 'alice' });
  });

  test('ListImages has an image once, with all of its tags', async ({ daemon: { cri } }) => {
    const { id, references } = await pulled(cri, ['a', 'b', 'c']);
    const { images } = await cri.listImages({});
    const found = images.filter((image) => image.id === id);
    expect(found.map((image) => image.repoTags.toSorted())).toEqual([references]);
  });

  test('ListImages with a filter has that image alone', async ({ daemon: { cri } }) => {
    const { id, references } = await pulled(cri, ['a']);
    await pulled(cri, ['a']);
    const filter = { image: { image: references[0] ?? '' } };
    const { images } = await cri.listImages({ filter });
    expect(images.map((image) => image.id)).toEqual([id]);
  });

  test('RemoveImage by one tag removes the image with all of them', async ({ daemon: { cri } }) => {
    const { id, references } = await pulled(cri, ['a', 'b']);
    await cri.removeImage({ image: { image: references[0] ?? '' } });
    expect(await status(cri, id)).toBeNull();
    expect(await status(cri, references[1] ?? '')).toBeNull();
  });

  test('RemoveImage succeeds for what is gone, also twice at once', async ({ daemon: { cri } }) => {
    const { id } = await pulled(cri, ['a']);
    const remove = async () => cri.removeImage({ image: { image: id } });
    await Promise.all([remove(), remove()]);
    await remove();
  });

  test('a tag that moved to another image names that one', async ({ daemon: { cri } }) => {
    const { host } = inject('registry');
    const name = uniqueName('image');
    const image = (content: string) =>
      buildImage([buildLayer([{ type: 'file', path: 'name', content: name + content }])]);
    const before = image('before');
    const after = image('after');
    const reference = await push(host, before, name);
    await cri.pullImage({ image: { image: reference } });
    await push(host, after, name);
    await cri.pullImage({ image: { image: reference } });
    expect((await status(cri, reference))?.id).toBe(after.id);
    expect((await status(cri, before.id))?.repoTags ?? []).toEqual([]);
  });

  test('images outlive a restart of the daemon', async ({ daemon }) => {
    const { id, references } = await pulled(daemon.cri, ['a']);
    const before = await status(daemon.cri, id);
    await daemon.restart();
    expect(await status(daemon.cri, references[0] ?? '')).toEqual(before);
  });

  test('ImageFsInfo names a mounted folder and counts what images take', async ({
    daemon: { cri },
  }) => {
    await pulled(cri, ['a']);
    const { imageFilesystems } = await cri.imageFsInfo({});
    const [info] = imageFilesystems;
    await statfs(info?.fsId?.mountpoint ?? 'none');
    expect(info?.usedBytes?.value).toBeGreaterThan(0);
    expect(info?.inodesUsed?.value).toBeGreaterThan(0);
    expect(info?.timestamp).toBeGreaterThan(0);
  });
});
