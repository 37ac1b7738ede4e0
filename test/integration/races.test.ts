import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { ContainerState } from '#api/cri/v1/types.ts';
import type { Cri } from './harness/client.ts';
import { type Daemon, startDaemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { processes } from './harness/leftovers.ts';
import type { Place } from './harness/place.ts';
import {
  containerConfig,
  containerStatus,
  createContainer,
  forever,
  type Pod,
  runContainer,
  runPod,
  waitForExit,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const rounds = [1, 2, 3, 4, 5];

describe('at once', () => {
  test.for(rounds)(
    'a pod is removed and gets a container (%s)',
    async (_round, { daemon, busybox }) => {
      const { cri } = daemon;
      const pod = await runPod(daemon);
      const creations = [1, 2, 3].map(() =>
        createContainer(cri, pod, containerConfig(busybox, forever)),
      );
      const [removal, ...created] = await Promise.allSettled([
        cri.removePodSandbox({ podSandboxId: pod.id }),
        ...creations,
      ]);
      expect(removal.status).toBe('fulfilled');
      for (const { status, ...rest } of created) {
        if (status === 'rejected')
          expect(rest).toHaveProperty('reason.code', expect.toBeOneOf([5, 9]));
      }
      expect((await cri.listContainers({})).containers).toEqual([]);
      expect((await cri.listPodSandbox({})).items).toEqual([]);
    },
  );

  test.for(rounds)(
    'a pod is stopped and its container started (%s)',
    async (_round, { daemon, busybox }) => {
      const { cri } = daemon;
      const pod = await runPod(daemon);
      const containerId = await createContainer(cri, pod, containerConfig(busybox, forever));
      const [stop] = await Promise.allSettled([
        cri.stopPodSandbox({ podSandboxId: pod.id }),
        cri.startContainer({ containerId }),
      ]);
      expect(stop.status).toBe('fulfilled');
      const { state } = await containerStatus(cri, containerId);
      expect(state).not.toBe(ContainerState.CONTAINER_RUNNING);
    },
  );

  test.for(rounds)(
    'a container is started, stopped and removed (%s)',
    async (_round, { daemon, busybox }) => {
      const { cri } = daemon;
      const pod = await runPod(daemon);
      const containerId = await createContainer(cri, pod, containerConfig(busybox, forever));
      const start = cri.startContainer({ containerId });
      const ends = [
        cri.stopContainer({ containerId, timeout: 0 }),
        cri.removeContainer({ containerId }),
        cri.removeContainer({ containerId }),
        cri.stopContainer({ containerId, timeout: 0 }),
      ];
      await Promise.allSettled([start]);
      await Promise.all(ends);
      expect((await cri.listContainers({})).containers).toEqual([]);
    },
  );

  test('a container is started by two, and one is told that it runs', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const containerId = await createContainer(cri, pod, containerConfig(busybox, forever));
    const starts = await Promise.allSettled(
      [1, 2, 3].map(() => cri.startContainer({ containerId })),
    );
    expect(starts.map(({ status }) => status).toSorted()).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    const { state } = await containerStatus(cri, containerId);
    expect(state).toBe(ContainerState.CONTAINER_RUNNING);
  });

  test('a container is changed and stopped', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const containerId = await runContainer(cri, pod, containerConfig(busybox, forever));
    const changes = rounds.map((n) =>
      cri.updateContainerResources({ containerId, linux: { cpuShares: 100 * n } }),
    );
    await Promise.all([...changes, cri.stopContainer({ containerId, timeout: 0 })]);
    const { state, resources } = await containerStatus(cri, containerId);
    expect(state).toBe(ContainerState.CONTAINER_EXITED);
    expect(resources?.linux?.cpuShares).toBe(500);
  });

  test('a creation whose caller went is had by the one who asks again', async ({
    daemon,
    busybox,
  }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, forever);
    const request = { podSandboxId: pod.id, config, sandboxConfig: pod.config };
    const gone = cri.createContainer(request, { timeoutMs: 1 });
    await expect(gone).rejects.toMatchObject({ code: 4 });
    const { containerId } = await cri.createContainer(request);
    const { containers } = await cri.listContainers({});
    expect(containers.map(({ id }) => id)).toEqual([containerId]);
  });
});

test('a frozen container is stopped', async ({ daemon, busybox }) => {
  const { cri } = daemon;
  const containerId = await runContainer(
    cri,
    await runPod(daemon),
    containerConfig(busybox, forever),
  );
  const freezer = await freezerOf(cri, containerId);
  writeFileSync(freezer.file, freezer.frozen);
  await eventually('it is frozen', () => freezer.isFrozen());
  await cri.stopContainer({ containerId, timeout: 1 });
  expect(await waitForExit(cri, containerId)).toMatchObject({ exitCode: 137, reason: 'Error' });
});

async function freezerOf(cri: Cri, containerId: string) {
  const { info } = await cri.containerStatus({ containerId, verbose: true });
  const cgroups = readFileSync(`/proc/${JSON.parse(info['info'] ?? '{}').pid}/cgroup`, 'utf8');
  const legacy = /:freezer:(.*)/.exec(cgroups)?.[1];
  if (legacy !== undefined) {
    const file = join('/sys/fs/cgroup/freezer', legacy, 'freezer.state');
    return {
      file,
      frozen: 'FROZEN',
      isFrozen: () => readFileSync(file, 'utf8').startsWith('FROZEN'),
    };
  }
  const folder = join('/sys/fs/cgroup', /^0::(.*)/m.exec(cgroups)?.[1] ?? '');
  const isFrozen = () => readFileSync(join(folder, 'cgroup.events'), 'utf8').includes('frozen 1');
  return { file: join(folder, 'cgroup.freeze'), frozen: '1', isFrozen };
}

/** Configures the handler `odd`, which does `instead` for one command, and is crun for all others. */
function oddHandler(folder: string, command: string, instead: string): string {
  const path = join(folder, 'odd-runtime');
  const script = `#!/bin/sh\nfor word; do [ "$word" = ${command} ] && { ${instead}; }; done\nexec crun "$@"\n`;
  writeFileSync(path, script, { mode: 0o755 });
  return `[runtime.handlers]\ncrun = { path = "crun" }\nodd = { path = "${path}" }\n`;
}

function runs(place: Place, command: RegExp): boolean {
  return processes(place).some((process) => command.test(process.command));
}

describe('an OCI runtime', () => {
  const image = inject('busybox');
  let scripts: string;
  beforeEach(() => {
    scripts = mkdtempSync(join(tmpdir(), 'gantry-odd-'));
  });
  afterEach(() => rmSync(scripts, { recursive: true }));

  /** Pulls the image, and runs a pod on that handler. */
  async function oddPod(daemon: Daemon): Promise<Pod> {
    await daemon.cri.pullImage({ image: { image } });
    return runPod(daemon, {}, 'odd');
  }

  it.each([
    ['create', 'kill -9 $$', 'the monitor ended|signal|killed|exit'],
    ['create', 'echo "no such luck" >&2; exit 1', 'no such luck'],
    ['start', 'kill -9 $$', 'start'],
  ])(
    'that dies at "%s" (%s) is said to have failed, and leaves nothing',
    async (command, instead, words) => {
      const extraConfig = oddHandler(scripts, command, instead);
      await using daemon = await startDaemon({ extraConfig });
      const { cri } = daemon;
      const pod = await oddPod(daemon);
      const containerId = await createContainer(cri, pod, containerConfig(image, forever));
      await expect(cri.startContainer({ containerId })).rejects.toMatchObject({
        details: expect.stringMatching(new RegExp(words)),
      });
      expect(await containerStatus(cri, containerId)).toMatchObject({
        state: ContainerState.CONTAINER_EXITED,
        exitCode: 128,
        reason: 'StartError',
      });
      await daemon.removeAllPods();
      expect(await daemon.leaks()).toEqual([]);
    },
  );

  it('that creates a container still for a daemon that is gone is ended by the next one', async () => {
    const extraConfig = oddHandler(scripts, 'create', 'exec sleep 54321');
    await using daemon = await startDaemon({ extraConfig });
    const { cri, place } = daemon;
    const pod = await oddPod(daemon);
    const containerId = await createContainer(cri, pod, containerConfig(image, forever));
    const start = expect(cri.startContainer({ containerId })).rejects.toMatchObject({ code: 14 });
    await eventually('it creates', () => runs(place, /conmon/));
    await daemon.kill();
    await start;
    await daemon.start();
    expect(await containerStatus(cri, containerId)).toMatchObject({ reason: 'StartError' });
    await eventually('it is gone', () => !runs(place, /./));
    await daemon.removeAllPods();
    expect(await daemon.leaks()).toEqual([]);
  });

  it('that dies while it starts leaves nothing that outlasts the container', async () => {
    // As crun does with its own program; with a name as mkstemp(3) gives it.
    const leave =
      'f=$(mktemp $_LIBCONTAINER_STATEDIR/crun.XXXXXX); mount --bind /bin/true $f; kill -9 $$';
    await using daemon = await startDaemon({ extraConfig: oddHandler(scripts, 'exec', leave) });
    const { cri, place } = daemon;
    const pod = await oddPod(daemon);
    const containerId = await runContainer(cri, pod, containerConfig(image, forever));
    const exec = cri.execSync({ containerId, cmd: ['true'], timeout: 5 });
    await expect(exec).rejects.toMatchObject({ details: expect.stringContaining(containerId) });
    const left = () => readdirSync(join(place.state, 'containers', containerId)).join(' ');
    expect(left()).toMatch(/crun\.\w{6}/);
    await daemon.kill();
    await daemon.start();
    expect(left()).not.toMatch(/crun\.\w{6}/);
    await expect(cri.execSync({ containerId, cmd: ['true'], timeout: 5 })).rejects.toThrow();
    await daemon.removeAllPods();
    expect(await daemon.leaks()).toEqual([]);
  });

  it('that ends without deleting is no reason to keep a container', async () => {
    const flag = join(scripts, 'odd');
    const extraConfig = oddHandler(scripts, 'delete', `[ -e ${flag} ] && exit 1`);
    await using daemon = await startDaemon({ extraConfig });
    const { cri } = daemon;
    const pod = await oddPod(daemon);
    const containerId = await runContainer(cri, pod, containerConfig(image, forever));
    writeFileSync(flag, '');
    await cri.stopContainer({ containerId, timeout: 0 });
    await expect(cri.removeContainer({ containerId })).rejects.toMatchObject({
      details: expect.stringMatching(
        new RegExp(`remove container "${containerId}": .*/odd-runtime delete: exit status 1$`),
      ),
    });
    rmSync(flag);
    await cri.removeContainer({ containerId });
    await daemon.removeAllPods();
    expect(await daemon.leaks()).toEqual([]);
  });
});
