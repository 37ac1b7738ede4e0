import grpc, { status } from '@grpc/grpc-js';
import { describe, expect } from 'vitest';
import type { Cri } from './harness/client.ts';
import { test } from './harness/fixture.ts';
import { containerConfig, podConfig, runPod } from './harness/pods.ts';

const unknown = 'f'.repeat(64);

describe('unknown ids', () => {
  const notFound: Record<string, (cri: Cri) => Promise<unknown>> = {
    PodSandboxStatus: async (cri) => cri.podSandboxStatus({ podSandboxId: unknown }),
    ContainerStatus: async (cri) => cri.containerStatus({ containerId: unknown }),
    ContainerStats: async (cri) => cri.containerStats({ containerId: unknown }),
    PodSandboxStats: async (cri) => cri.podSandboxStats({ podSandboxId: unknown }),
    StartContainer: async (cri) => cri.startContainer({ containerId: unknown }),
    ExecSync: async (cri) => cri.execSync({ containerId: unknown, cmd: ['true'] }),
    Exec: async (cri) => cri.exec({ containerId: unknown, cmd: ['true'], stdout: true }),
    Attach: async (cri) => cri.attach({ containerId: unknown, stdout: true }),
    PortForward: async (cri) => cri.portForward({ podSandboxId: unknown, port: [80] }),
    ReopenContainerLog: async (cri) => cri.reopenContainerLog({ containerId: unknown }),
    UpdateContainerResources: async (cri) =>
      cri.updateContainerResources({ containerId: unknown, linux: {} }),
    UpdatePodSandboxResources: async (cri) =>
      cri.updatePodSandboxResources({ podSandboxId: unknown }),
    CreateContainer: async (cri) =>
      cri.createContainer({
        podSandboxId: unknown,
        config: containerConfig('image'),
        sandboxConfig: { metadata: { name: 'a', namespace: 'b', uid: 'c' } },
      }),
  };
  for (const [rpc, call] of Object.entries(notFound)) {
    test(`${rpc} says NotFound and names the id`, async ({ daemon }) => {
      await expect(call(daemon.cri)).rejects.toMatchObject({
        code: status.NOT_FOUND,
        details: expect.stringContaining(unknown),
      });
    });
  }

  const fine: Record<string, (cri: Cri) => Promise<unknown>> = {
    StopPodSandbox: async (cri) => cri.stopPodSandbox({ podSandboxId: unknown }),
    RemovePodSandbox: async (cri) => cri.removePodSandbox({ podSandboxId: unknown }),
    StopContainer: async (cri) => cri.stopContainer({ containerId: unknown, timeout: 1 }),
    RemoveContainer: async (cri) => cri.removeContainer({ containerId: unknown }),
    RemoveImage: async (cri) => cri.removeImage({ image: { image: `sha256:${unknown}` } }),
  };
  for (const [rpc, call] of Object.entries(fine)) {
    test(`${rpc} succeeds`, async ({ daemon }) => {
      await call(daemon.cri);
    });
  }
});

describe('bad input', () => {
  const metadata = { name: 'web', namespace: 'default', uid: 'uid', attempt: 0 };
  const badPods = {
    config: { config: null },
    metadata: { config: { metadata: null } },
    name: { config: { metadata: { ...metadata, name: '' } } },
    namespace: { config: { metadata: { ...metadata, namespace: '' } } },
    uid: { config: { metadata: { ...metadata, uid: '' } } },
    hostname: { config: { metadata, hostname: 'x'.repeat(65) } },
    log_directory: { config: { metadata, logDirectory: 'not/absolute' } },
  };
  for (const [field, request] of Object.entries(badPods)) {
    test(`RunPodSandbox names the field ${field}`, async ({ daemon }) => {
      await expect(daemon.cri.runPodSandbox(request)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringContaining(field),
      });
    });
  }

  const badContainers = {
    config: null,
    metadata: { metadata: null },
    name: { metadata: { name: '', attempt: 0 } },
    image: { image: null },
    host_path: { mounts: [{ hostPath: '', containerPath: '/mnt' }] },
    container_path: { mounts: [{ hostPath: '/tmp', containerPath: '' }] },
    working_dir: { workingDir: 'not/absolute' },
  };
  for (const [field, overrides] of Object.entries(badContainers)) {
    test(`CreateContainer names the field ${field}`, async ({ daemon, busybox }) => {
      const pod = await runPod(daemon);
      const config = overrides && { ...containerConfig(busybox), ...overrides };
      const request = { podSandboxId: pod.id, config, sandboxConfig: pod.config };
      await expect(daemon.cri.createContainer(request)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringContaining(field),
      });
    });
  }

  const emptyIds: Record<string, (cri: Cri) => Promise<unknown>> = {
    pod_sandbox_id: async (cri) => cri.stopPodSandbox({}),
    container_id: async (cri) => cri.stopContainer({}),
    image: async (cri) => cri.pullImage({}),
  };
  for (const [field, call] of Object.entries(emptyIds)) {
    test(`an empty ${field} is refused by name`, async ({ daemon }) => {
      await expect(call(daemon.cri)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringContaining(field),
      });
    });
  }

  test('text that is not Protocol Buffers is refused and does not harm the daemon', async ({
    daemon,
  }) => {
    await expect(
      rawCall(daemon.place.socket, 'RunPodSandbox', Buffer.from([0xff, 0xff, 0xff])),
    ).rejects.toThrow();
    await daemon.cri.version({});
  });
});

describe('what is not there', () => {
  const containerId = unknown;
  const missing: Record<string, (cri: Cri) => Promise<unknown>> = {
    CheckpointContainer: async (cri) => cri.checkpointContainer({ containerId }),
  };
  for (const [rpc, call] of Object.entries(missing)) {
    test(`${rpc} is unimplemented, in a sentence that names it`, async ({ daemon }) => {
      await expect(call(daemon.cri)).rejects.toMatchObject({
        code: status.UNIMPLEMENTED,
        details: expect.stringContaining(`${rpc} is not there yet`),
      });
    });
  }

  test('an RPC of a newer API is unimplemented', async ({ daemon }) => {
    await expect(
      rawCall(daemon.place.socket, 'RpcOfTheFuture', Buffer.alloc(0)),
    ).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
  });

  test('a field of a newer API is ignored', async ({ daemon }) => {
    // Field 1000 with the number 1, which no request has.
    const answer = await rawCall(daemon.place.socket, 'Version', Buffer.from([0xc0, 0x3e, 0x01]));
    expect(answer.toString()).toContain('gantry');
  });

  test('a pod is unharmed by a refused request about it', async ({ daemon }) => {
    const config = podConfig(daemon);
    const { podSandboxId } = await daemon.cri.runPodSandbox({ config });
    await expect(
      daemon.cri.createContainer({ podSandboxId, config: null, sandboxConfig: config }),
    ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    const { items } = await daemon.cri.listPodSandbox({});
    expect(items.map(({ id }) => id)).toEqual([podSandboxId]);
  });
});

/** A call with a request of raw bytes; returns the bytes of the response. */
async function rawCall(socket: string, method: string, request: Buffer): Promise<Buffer> {
  const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure());
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const path = `/runtime.v1.RuntimeService/${method}`;
  client.makeUnaryRequest(path, asIs, asIs, request, (error, response) =>
    error === null && response !== undefined ? resolve(response) : reject(error ?? new Error(path)),
  );
  try {
    return await promise;
  } finally {
    client.close();
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
