import { status } from '@grpc/grpc-js';
import { readFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { describe, expect, inject } from 'vitest';
import { ContainerState, type ContainerFilter, NamespaceMode } from '#api/cri/v1/types.ts';
import type { Draft } from './harness/client.ts';
import { test } from './harness/fixture.ts';
import { buildImage, buildLayer, busyboxLayer, type ImageDefaults } from './harness/image.ts';
import {
  containerConfig,
  containerStatus,
  createContainer,
  exec,
  forever,
  logged,
  readLog,
  runContainer,
  runPod,
  runToEnd,
  uniqueName,
  waitForExit,
  sh,
} from './harness/pods.ts';
import { push } from './harness/registry.ts';
import type { Daemon } from './harness/daemon.ts';

/** Busybox with other defaults, pulled. */
async function busyboxWith({ cri }: Daemon, defaults: ImageDefaults): Promise<string> {
  const image = buildImage([busyboxLayer()], defaults);
  const reference = await push(inject('registry').host, image, uniqueName('busybox'));
  await cri.pullImage({ image: { image: reference } });
  return reference;
}

/** As systemd has it. */
const isRootShared = / \/ \/ \S+ shared:/.test(readFileSync('/proc/self/mountinfo').toString());

describe('a container', () => {
  test('goes from created to running to exited', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const script = 'while [ ! -e /gate ]; do usleep 20000; done; exit 7';
    const config = containerConfig(busybox, { command: sh(script) });
    const id = await createContainer(cri, pod, config);
    const created = await containerStatus(cri, id);
    expect(created).toMatchObject({ state: ContainerState.CONTAINER_CREATED, startedAt: 0 });

    await cri.startContainer({ containerId: id });
    const running = await containerStatus(cri, id);
    expect(running).toMatchObject({ state: ContainerState.CONTAINER_RUNNING, finishedAt: 0 });
    expect(running.startedAt).toBeGreaterThanOrEqual(created.createdAt);

    await exec(cri, id, 'touch /gate');
    const exited = await waitForExit(cri, id);
    expect(exited).toMatchObject({ exitCode: 7, reason: 'Error' });
    expect(exited.finishedAt).toBeGreaterThanOrEqual(running.startedAt);
  });

  test('that ends well has the reason Completed', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, { command: ['/bin/true'] });
    const { status: end } = await runToEnd(daemon.cri, pod, config);
    expect(end).toMatchObject({ exitCode: 0, reason: 'Completed' });
  });

  test('killed by a signal exits with 128 and the signal', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    // A process 1 gets no signal that it does not ask for, so its child dies of it.
    const config = containerConfig(busybox, {
      command: sh("sh -c 'kill -SEGV $$'; exit $?"),
    });
    const { status: end } = await runToEnd(daemon.cri, pod, config);
    expect(end).toMatchObject({ exitCode: 139, reason: 'Error' });
  });

  test('that takes more memory than it may is OOMKilled', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, {
      command: sh('tail /dev/zero'),
      linux: { resources: { memoryLimitInBytes: 16 << 20, memorySwapLimitInBytes: 16 << 20 } },
    });
    const { status: end } = await runToEnd(daemon.cri, pod, config);
    expect(end).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  });

  test('that is killed by a stop is not OOMKilled, though another process of it was', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const config = containerConfig(busybox, {
      command: sh('tail /dev/zero; echo survived; while :; do sleep 1000; done'),
      linux: { resources: { memoryLimitInBytes: 20 << 20 } },
    });
    const containerId = await runContainer(cri, await runPod(daemon), config);
    await logged(cri, containerId, 'survived');
    await cri.stopContainer({ containerId, timeout: 0 });
    expect(await containerStatus(cri, containerId)).toMatchObject({
      exitCode: 137,
      reason: 'Error',
    });
  });

  test('has its resources, and reports them', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const resources = {
      memoryLimitInBytes: 64 << 20,
      cpuShares: 512,
      cpuQuota: 50_000,
      cpuPeriod: 100_000,
    };
    const id = await runContainer(
      cri,
      pod,
      containerConfig(busybox, { ...forever, linux: { resources } }),
    );
    expect((await containerStatus(cri, id)).resources?.linux).toMatchObject(resources);
  });

  test('writes its log line by line, with time, stream and tag', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const script = 'echo first; echo error >&2; echo; printf unfinished';
    const config = containerConfig(busybox, { command: sh(script) });
    const { status: end } = await runToEnd(daemon.cri, pod, config);
    expect(end.logPath).toBe(`${pod.config.logDirectory}/${config.logPath}`);
    const lines = await readLog(end.logPath);
    for (const { time } of lines)
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}(Z|[+-]\d\d:\d\d)$/);
    const of = (stream: string) =>
      lines.filter((line) => line.stream === stream).map(({ tag, text }) => `${tag} ${text}`);
    expect(of('stdout')).toEqual(['F first', 'F ', 'P unfinished']);
    expect(of('stderr')).toEqual(['F error']);
  });

  test('goes on logging to a new file when its log is reopened', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const script = 'echo before; while [ ! -e /gate ]; do usleep 20000; done; echo after';
    const config = containerConfig(busybox, { command: sh(script) });
    const id = await runContainer(cri, pod, config);
    const { logPath } = await logged(cri, id, 'before');
    await rename(logPath, `${logPath}.1`);
    await cri.reopenContainerLog({ containerId: id });
    await exec(cri, id, 'touch /gate');
    await waitForExit(cri, id);
    expect((await readLog(logPath)).map(({ text }) => text)).toEqual(['after']);
    expect((await readLog(`${logPath}.1`)).map(({ text }) => text)).toEqual(['before']);
  });

  test('keeps labels, annotations and the name of its image', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const given = { labels: { app: 'web' }, annotations: { note: 'a "quoted" text' } };
    const config = containerConfig(busybox, { ...forever, ...given });
    const id = await createContainer(cri, pod, config);
    const found = await containerStatus(cri, id);
    expect(found).toMatchObject({ ...given, metadata: config.metadata });
    expect(found.image?.image).toBe(busybox);
    expect(found.imageRef).not.toBe('');

    const { containers } = await cri.listContainers({ filter: { labelSelector: { app: 'web' } } });
    expect(containers).toMatchObject([
      { ...given, id, podSandboxId: pod.id, metadata: config.metadata },
    ]);
  });

  test('is listed by id, pod, state and labels', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const [pod, other] = [await runPod(daemon), await runPod(daemon)];
    const running = await runContainer(cri, pod, containerConfig(busybox, forever));
    const created = await createContainer(cri, other, containerConfig(busybox, forever));
    const ids = async (filter: Draft<ContainerFilter>) =>
      (await cri.listContainers({ filter })).containers.map(({ id }) => id);
    expect(await ids({ podSandboxId: pod.id })).toEqual([running]);
    expect(await ids({ id: created.slice(0, 12) })).toEqual([created]);
    expect(await ids({ state: { state: ContainerState.CONTAINER_CREATED } })).toEqual([created]);
    expect(await ids({ state: { state: ContainerState.CONTAINER_RUNNING } })).toEqual([running]);
  });

  test('asked for twice at once is one container', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, forever);
    const ids = await Promise.all([1, 2].map(async () => createContainer(cri, pod, config)));
    expect(ids[0]).toBe(ids[1]);
    expect((await cri.listContainers({})).containers).toHaveLength(1);
  });

  test('takes command, arguments, environment and folder from its image, or its own', async ({
    daemon,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const image = await busyboxWith(daemon, {
      Entrypoint: ['/bin/echo', 'entrypoint'],
      Cmd: ['cmd'],
      Env: ['COLOR=red', 'SHAPE=round'],
      WorkingDir: '/home',
    });
    const output = async (overrides: Parameters<typeof containerConfig>[1]) =>
      (await runToEnd(cri, pod, containerConfig(image, overrides))).stdout;
    expect(await output({})).toBe('entrypoint cmd\n');
    expect(await output({ args: ['own'] })).toBe('entrypoint own\n');
    expect(await output({ command: ['/bin/echo', 'command'] })).toBe('command\n');
    expect(await output({ command: ['/bin/echo'], args: ['a', 'b'] })).toBe('a b\n');

    const script = sh('pwd; echo $COLOR $SHAPE; echo "$TEXT"');
    expect(await output({ command: script })).toBe('/home\nred round\n\n');
    const envs = [
      { key: 'COLOR', value: Buffer.from('blue') },
      { key: 'TEXT', value: Buffer.from('a=b\nc') },
    ];
    expect(await output({ command: script, envs, workingDir: '/tmp/made' })).toBe(
      '/tmp/made\nblue round\na=b\nc\n',
    );
  });

  test('runs as the user that it names, with its groups', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const identity = async (image: string, securityContext: object) =>
      (
        await runToEnd(
          cri,
          pod,
          containerConfig(image, {
            command: sh('id -u; id -g; id -G'),
            linux: { securityContext },
          }),
        )
      ).stdout.split('\n');
    expect(await identity(busybox, {})).toEqual(['0', '0', '0', '']);
    expect(await identity(busybox, { runAsUser: { value: 1234 } })).toMatchObject([
      '1234',
      '0',
      '0',
      '',
    ]);
    expect(await identity(busybox, { runAsUser: { value: 5 }, runAsGroup: { value: 6 } })).toEqual([
      '5',
      '6',
      '6',
      '',
    ]);
    expect(await identity(busybox, { runAsUsername: 'alice' })).toEqual([
      '1000',
      '1000',
      '1000 50000',
      '',
    ]);
    expect(await identity(busybox, { supplementalGroups: [77] })).toEqual(['0', '0', '0 77', '']);
    const image = await busyboxWith(daemon, { User: 'alice', Cmd: ['/bin/sh'] });
    expect(await identity(image, {})).toEqual(['1000', '1000', '1000 50000', '']);
  });

  test('with a group but no user is refused', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, {
      ...forever,
      linux: { securityContext: { runAsGroup: { value: 5 } } },
    });
    await expect(createContainer(daemon.cri, pod, config)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/run_?as_?group/i),
    });
  });

  test('sees the folders of the node that it mounts, read-only if it says so', async ({
    daemon,
    busybox,
  }) => {
    const { cri, place } = daemon;
    const file = `${place.directory}/shared.txt`;
    await writeFile(file, 'from the node\n');
    const pod = await runPod(daemon);
    const mounts = [
      { hostPath: file, containerPath: '/mnt/file', readonly: true },
      { hostPath: `${place.directory}/made`, containerPath: '/mnt/folder' },
    ];
    const script = 'cat /mnt/file; echo x >>/mnt/file; echo $?; echo there >/mnt/folder/text';
    const config = containerConfig(busybox, { command: sh(script), mounts });
    const { status: end, stdout } = await runToEnd(cri, pod, config);
    expect(stdout).toBe('from the node\n1\n');
    expect(end.mounts).toMatchObject(mounts);
    expect(await readFile(`${place.directory}/made/text`, 'utf8')).toBe('there\n');
  });

  test('has a root file system of its own, read-only if it says so', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const output = async (linux: object) => {
      const command = sh('echo x >/file && cat /file');
      return (await runToEnd(cri, pod, containerConfig(busybox, { command, linux }))).stdout;
    };
    expect(await output({})).toBe('x\n');
    const readonly = { securityContext: { readonlyRootfs: true } };
    expect(await output(readonly)).toBe('');
    // The files of the pod are read-only, too; its shared memory is not.
    const files = '/etc/hosts /etc/hostname /etc/resolv.conf /dev/shm/x';
    const write = sh(`for file in ${files}; do echo "# x" >>$file && echo $file; done 2>/dev/null`);
    const config = containerConfig(busybox, { command: write, linux: readonly });
    expect((await runToEnd(cri, pod, config)).stdout).toBe('/dev/shm/x\n');
    const command = ['/bin/ls', '/file'];
    const { status: end } = await runToEnd(cri, pod, containerConfig(busybox, { command }));
    expect(end.exitCode).not.toBe(0);
  });

  test.runIf(isRootShared)(
    'that mounts all of the node lets go of pods that are gone',
    async ({ daemon, busybox }) => {
      const { cri } = daemon;
      const other = await runPod(daemon);
      const mounts = [{ containerPath: '/node', hostPath: '/', readonly: true }];
      const pod = await runPod(daemon);
      const containerId = await runContainer(
        cri,
        pod,
        containerConfig(busybox, { ...forever, mounts }),
      );
      const sees = async () =>
        (await exec(cri, containerId, 'cat /proc/self/mountinfo')).stdout.includes(other.id);
      expect(await sees()).toBe(true);
      await cri.removePodSandbox({ podSandboxId: other.id });
      expect(await sees()).toBe(false);
    },
  );

  test('has the folders that its image declares as volumes', async ({ daemon }) => {
    const reference = await busyboxWith(daemon, { Volumes: { '/var/lib/data': {}, '/tmp': {} } });
    const command = sh('stat -c "%a %u %F" /var/lib/data; stat -c %a /tmp; touch /var/lib/data/x');
    const pod = await runPod(daemon);
    const config = containerConfig(reference, { command });
    const { stdout, status: end } = await runToEnd(daemon.cri, pod, config);
    expect([stdout, end.exitCode]).toEqual(['755 0 directory\n1777\n', 0]);
  });

  test('that looks at the processes of another one is refused once that has ended', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const targetId = await runContainer(cri, pod, containerConfig(busybox, forever));
    const namespaceOptions = { pid: NamespaceMode.TARGET, targetId };
    const debug = containerConfig(busybox, {
      ...forever,
      linux: { securityContext: { namespaceOptions } },
    });
    const containerId = await createContainer(cri, pod, debug);
    await cri.stopContainer({ containerId: targetId, timeout: 0 });
    await expect(cri.startContainer({ containerId })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining(`"${targetId}", does not run any more`),
    });
  });

  test('with a command that does not exist says which', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, { command: ['/no/such/program'] });
    await expect(runContainer(daemon.cri, pod, config)).rejects.toMatchObject({
      details: expect.stringContaining('/no/such/program'),
    });
  });

  test('of an image that was not pulled is refused', async ({ daemon }) => {
    const pod = await runPod(daemon);
    const config = containerConfig('example.com/never/pulled:v1');
    await expect(createContainer(daemon.cri, pod, config)).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: expect.stringContaining('example.com/never/pulled:v1'),
    });
  });

  test('is not created in a pod that is stopped', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    await daemon.cri.stopPodSandbox({ podSandboxId: pod.id });
    await expect(
      createContainer(daemon.cri, pod, containerConfig(busybox, forever)),
    ).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  });

  test('starts once', async ({ daemon, busybox }) => {
    const pod = await runPod(daemon);
    const containerId = await runContainer(daemon.cri, pod, containerConfig(busybox, forever));
    await expect(daemon.cri.startContainer({ containerId })).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
    });
  });

  test('starts with the files of its image volumes', async ({ daemon }) => {
    const layer = buildLayer([{ type: 'file', path: 'cache/seed', content: 'seed' }]);
    const image = buildImage([busyboxLayer(), layer], { Volumes: { '/cache': {} } });
    const reference = await push(inject('registry').host, image, uniqueName('volume'));
    await daemon.cri.pullImage({ image: { image: reference } });
    const pod = await runPod(daemon);
    const command = sh('cat /cache/seed && echo more >/cache/more');
    const { status: end, stdout } = await runToEnd(
      daemon.cri,
      pod,
      containerConfig(reference, { command }),
    );
    expect([end.exitCode, stdout]).toEqual([0, 'seed']);
  });
});
