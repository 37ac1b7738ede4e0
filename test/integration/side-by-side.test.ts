import { expect, inject, test } from 'vitest';
import { startDaemon } from './harness/daemon.ts';
import { containerConfig, exec, forever, runContainer, runPod } from './harness/pods.ts';

test('several daemons on one machine have pods of their own', async () => {
  await using one = await startDaemon();
  await using two = await startDaemon();
  const daemons = [one, two];
  const image = inject('busybox');
  const ids = await Promise.all(
    daemons.map(async (daemon) => {
      await daemon.cri.pullImage({ image: { image } });
      const pod = await runPod(daemon, { labels: { of: daemon.place.bridge } });
      return runContainer(daemon.cri, pod, containerConfig(image, forever));
    }),
  );
  for (const daemon of daemons) {
    const { items } = await daemon.cri.listPodSandbox({});
    expect(items.map(({ labels }) => labels['of'])).toEqual([daemon.place.bridge]);
  }

  await one.removeAllPods();
  expect(await one.leaks()).toEqual([]);
  await one.stop();
  expect((await exec(two.cri, ids[1] ?? '', 'echo alive')).stdout).toBe('alive\n');
});

test('a second daemon on the same root is refused', async () => {
  await using daemon = await startDaemon();
  await expect(startDaemon({ directory: daemon.place.directory })).rejects.toThrow(
    daemon.place.directory,
  );
  await daemon.cri.version({});
});
