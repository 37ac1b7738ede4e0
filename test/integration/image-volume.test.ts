import { describe, expect, inject } from 'vitest';
import { test } from './harness/fixture.ts';
import { buildImage, buildLayer } from './harness/image.ts';
import {
  containerConfig,
  containerStatus,
  createContainer,
  exec,
  forever,
  runContainer,
  runPod,
  uniqueName,
} from './harness/pods.ts';
import { push } from './harness/registry.ts';

const volume = test.extend('volume', { scope: 'file' }, async ({ daemon }) => {
  const layer = buildLayer([
    { path: 'docs/', type: 'directory' },
    { path: 'docs/page', type: 'file', content: 'a page' },
    { path: 'link', type: 'symlink', target: '/docs' },
    { path: 'out', type: 'symlink', target: '../../../../etc' },
  ]);
  const name = uniqueName('volume');
  const reference = await push(inject('registry').host, buildImage([layer]), name);
  await daemon.cri.pullImage({ image: { image: reference } });
  const { image } = await daemon.cri.imageStatus({ image: { image: reference } });
  return { reference, digest: image?.repoDigests[0] ?? '' };
});

describe('an image volume', () => {
  volume(
    'shows the image, read-only, and outlives its removal',
    async ({ daemon, busybox, volume: { reference, digest } }) => {
      const { cri } = daemon;
      const pod = await runPod(daemon);
      const mounts = [
        { containerPath: '/all', readonly: true, image: { image: reference } },
        {
          containerPath: '/part',
          readonly: true,
          image: { image: reference },
          imageSubPath: 'link',
        },
      ];
      const id = await runContainer(cri, pod, containerConfig(busybox, { ...forever, mounts }));
      const script = 'cat /all/docs/page /part/page; touch /all/x /part/y';
      const { stdout, stderr } = await exec(cri, id, script);
      expect(stdout).toBe('a pagea page');
      expect(stderr.match(/Read-only file system/g)).toHaveLength(2);
      const status = await containerStatus(cri, id);
      expect(status.mounts.map(({ image, imageSubPath }) => [image?.image, imageSubPath])).toEqual([
        [digest, ''],
        [digest, 'link'],
      ]);
      await cri.removeImage({ image: { image: reference } });
      await daemon.kill();
      await daemon.start();
      expect((await exec(daemon.cri, id, 'cat /part/page')).stdout).toBe('a page');
      await daemon.cri.pullImage({ image: { image: reference } });
    },
  );

  volume.for([
    ['a sub path that is not there', { imageSubPath: 'none' }, /"none" is no directory/],
    ['a sub path that leads to a file', { imageSubPath: 'docs/page' }, /is no directory/],
    ['a sub path that leads out of the image', { imageSubPath: 'out' }, /is no directory/],
    ['an image that is not there', { image: { image: 'localhost/none' } }, /not on this node/],
  ] as const)(
    'of %s is refused by the word that kubelet knows',
    async ([, change, message], { daemon, busybox, volume: { reference } }) => {
      const pod = await runPod(daemon);
      const mount = { containerPath: '/v', readonly: true, image: { image: reference }, ...change };
      const config = containerConfig(busybox, { ...forever, mounts: [mount] });
      const error: { details: string } = await createContainer(daemon.cri, pod, config).then(
        () => expect.unreachable(),
        (caught: { details: string }) => caught,
      );
      expect(error.details).toMatch(/^ImageVolumeMountFailed: /);
      expect(error.details).toMatch(message);
    },
  );

  volume(
    'that shall be writable is refused',
    async ({ daemon, busybox, volume: { reference } }) => {
      const pod = await runPod(daemon);
      const mounts = [{ containerPath: '/v', image: { image: reference } }];
      const config = containerConfig(busybox, { ...forever, mounts });
      await expect(createContainer(daemon.cri, pod, config)).rejects.toMatchObject({
        code: 3,
        details: expect.stringContaining('config.mounts[0].readonly'),
      });
    },
  );
});
