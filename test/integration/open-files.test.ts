import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, inject, test } from 'vitest';
import { ContainerState } from '#api/cri/v1/types.ts';
import { startDaemon } from './harness/daemon.ts';
import {
  containerConfig,
  exec,
  forever,
  runContainer,
  runPod,
  waitForExit,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

test('a daemon that may open no more files says so, answers, and goes on', async () => {
  await using daemon = await startDaemon();
  const { cri, pid, place } = daemon;
  await cri.pullImage({ image: { image: inject('busybox') } });
  const pod = await runPod(daemon);
  const lasting = await runContainer(cri, pod, containerConfig(inject('busybox'), forever));
  const command = ['/bin/sh', '-c', 'sleep 1; exit 7'];
  const short = await runContainer(cri, pod, containerConfig(inject('busybox'), { command }));

  const limit = (most: number) =>
    execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${most}:20000`]);
  // Less than it has open already.
  limit(16);
  await expect(runPod(daemon)).rejects.toMatchObject({ details: expect.stringMatching(/EMFILE/) });
  await expect(exec(cri, lasting, 'true')).rejects.toMatchObject({
    details: expect.stringMatching(new RegExp(`${lasting}.*EMFILE`)),
  });
  await eventually('it has looked for ends', () =>
    readFileSync(place.log, 'utf8').includes('look for containers that have ended'),
  );
  const { containers } = await cri.listContainers({});
  expect(containers.find(({ id }) => id === lasting)?.state).toBe(ContainerState.CONTAINER_RUNNING);

  limit(20_000);
  expect((await waitForExit(cri, short)).exitCode).toBe(7);
  expect((await exec(cri, lasting, 'echo alive')).stdout).toBe('alive\n');
  await daemon.removeAllPods();
  expect(await daemon.leaks()).toEqual([]);
});
