import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { expect, inject, test } from 'vitest';
import { startDaemon } from './harness/daemon.ts';
import { containerConfig, createContainer, runPod, runToEnd, sh } from './harness/pods.ts';

const plain = fileURLToPath(new URL('testdata/plain-runtime', import.meta.url));
const extraConfig = `[runtime.handlers]
crun = { path = "crun" }
plain = { path = "${plain}" }
`;

test('a recursively read-only mount is one where the handler can, and refused where it cannot', async () => {
  await using daemon = await startDaemon({ extraConfig });
  const { cri, place } = daemon;
  const { runtimeHandlers } = await cri.status({});
  const can = runtimeHandlers.map(({ name, features }) => [
    name,
    features?.recursiveReadOnlyMounts,
  ]);
  expect(Object.fromEntries(can)).toEqual({ '': true, crun: true, plain: false });

  const image = inject('busybox');
  await cri.pullImage({ image: { image } });
  const hostPath = join(place.directory, 'volume');
  mkdirSync(hostPath);
  const mount = { hostPath, containerPath: '/volume', readonly: true, recursiveReadOnly: true };
  const container = containerConfig(image, { mounts: [mount], command: sh('touch /volume/file') });
  const podOn = (runtimeHandler: string) => runPod(daemon, {}, runtimeHandler);
  const { stderr } = await runToEnd(cri, await podOn('crun'), container);
  expect(stderr).toContain('Read-only file system');
  await expect(createContainer(cri, await podOn('plain'), container)).rejects.toMatchObject({
    code: status.FAILED_PRECONDITION,
    details: expect.stringMatching(/^RROUnsupported: .*"\/volume".*"plain"/),
  });
});
