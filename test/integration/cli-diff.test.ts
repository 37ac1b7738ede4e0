import { expect, inject, test } from 'vitest';
import { NamespaceMode, type PodSandboxConfig } from '#api/cri/v1/types.ts';
import type { Draft } from './harness/client.ts';
import { startDaemon } from './harness/daemon.ts';
import { gantry } from './harness/gantry.ts';
import { containerConfig, exec, forever, runContainer, runPod } from './harness/pods.ts';

const mapping = [{ hostId: 1_000_000, containerId: 0, length: 65_536 }];

const ofUserNamespace: Draft<PodSandboxConfig> = {
  linux: {
    securityContext: {
      namespaceOptions: {
        pid: NamespaceMode.CONTAINER,
        usernsOptions: { mode: NamespaceMode.POD, uids: mapping, gids: mapping },
      },
    },
  },
};

test.for<readonly [string, string, Draft<PodSandboxConfig>]>([
  ['overlay', 'a pod with a user namespace', ofUserNamespace],
  ['native', 'a pod', {}],
])('tells with snapshots of the kind %s what %s changed', async ([kind, , overrides]) => {
  await using daemon = await startDaemon({ extraConfig: `[image]\nsnapshotter = "${kind}"\n` });
  const image = inject('busybox');
  await daemon.cri.pullImage({ image: { image } });
  const pod = await runPod(daemon, overrides);
  const config = containerConfig(image, { metadata: { name: 'main', attempt: 0 }, ...forever });
  const id = await runContainer(daemon.cri, pod, config);
  const script = 'mkdir /new; echo x > /new/f; rm /bin/vi; echo x >> /etc/passwd';
  expect(await exec(daemon.cri, id, script)).toMatchObject({ exitCode: 0 });
  const changes = JSON.parse(await gantry(daemon.place, 'diff', 'main', '--json'));
  for (const change of [
    { kind: 'added', path: '/new' },
    { kind: 'added', path: '/new/f' },
    { kind: 'deleted', path: '/bin/vi' },
    { kind: 'changed', path: '/etc/passwd' },
  ]) {
    expect(changes).toContainEqual(change);
  }
  const paths = changes.map(({ path }: { path: string }) => path);
  for (const path of ['/bin/sh', '/etc/group', '/home']) expect(paths).not.toContain(path);
});
