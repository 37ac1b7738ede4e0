import { describe, expect } from 'vitest';
import { test } from './harness/fixture.ts';

describe('runtime information', () => {
  test('Version names the runtime and the API that it speaks', async ({ daemon }) => {
    const version = await daemon.cri.version({ version: '0.1.0' });
    expect(version).toMatchObject({ runtimeName: 'gantry', runtimeApiVersion: 'v1' });
    expect(version.runtimeVersion).toMatch(/^v?\d+\.\d+\.\d+/);
  });

  test('Status has both conditions that kubelet waits for', async ({ daemon }) => {
    const { status } = await daemon.cri.status({});
    const conditions = status?.conditions.map(({ type, status: holds }) => [type, holds]);
    expect(conditions).toContainEqual(['RuntimeReady', true]);
    expect(conditions).toContainEqual(['NetworkReady', true]);
  });

  test('Status names the handlers, the default one as the empty name', async ({ daemon }) => {
    const { runtimeHandlers } = await daemon.cri.status({});
    expect(runtimeHandlers.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['', 'crun', 'runc']),
    );
  });

  test('verbose Status is a map of JSON texts', async ({ daemon }) => {
    const { info } = await daemon.cri.status({ verbose: true });
    expect(Object.keys(info)).not.toEqual([]);
    for (const text of Object.values(info)) expect(() => JSON.parse(text)).not.toThrow();
  });

  test('RuntimeConfig says which cgroup driver is in use', async ({ daemon }) => {
    const { linux } = await daemon.cri.runtimeConfig({});
    expect([0, 1]).toContain(linux?.cgroupDriver);
  });

  test('UpdateRuntimeConfig accepts the pod CIDR that kubelet sends', async ({ daemon }) => {
    await daemon.cri.updateRuntimeConfig({
      runtimeConfig: { networkConfig: { podCidr: '10.1.2.0/24' } },
    });
  });
});
