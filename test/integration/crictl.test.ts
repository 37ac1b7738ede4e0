import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject } from 'vitest';
import { crictl, hasCrictl } from './harness/crictl.ts';
import { test } from './harness/fixture.ts';
import { containerConfig, podConfig, shell } from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

/** What crictl prints with `-o json`. */
// oxlint-disable-next-line typescript/no-explicit-any -- Kubernetes' JSON, checked by the assertions
type Json = any;

describe.skipIf(!hasCrictl)('crictl', () => {
  test('takes a pod from its image to its removal', async ({ daemon: { place }, daemon }) => {
    const run = async (...args: string[]) => crictl(place, ...args);
    const json = async (...args: string[]): Promise<Json> => JSON.parse(await run(...args));
    const image = inject('busybox');
    expect(await run('version')).toContain('gantry');
    const info = await json('info');
    expect(info.status.conditions.map(({ type }: Json) => type)).toContain('RuntimeReady');

    await run('pull', image);
    expect(await run('images')).toContain('busybox');
    const inspected = await json('inspecti', image);
    expect(inspected.status.repoTags).toEqual([image]);

    const podFile = join(place.directory, 'pod.json');
    const containerFile = join(place.directory, 'container.json');
    const script = 'echo ready; while :; do sleep 1000 & wait; done';
    const config = containerConfig(image, shell(script));
    await writeFile(podFile, crictlJson(podConfig(daemon)));
    await writeFile(containerFile, crictlJson(config));

    const pod = await run('runp', podFile);
    expect((await json('pods', '-o', 'json')).items).toMatchObject([
      { id: pod, state: 'SANDBOX_READY' },
    ]);
    expect((await json('inspectp', pod)).status.network.ip).toMatch(/^10\.213\./);

    const container = await run('create', pod, containerFile, podFile);
    expect(await run('start', container)).toBe(container);
    expect((await json('ps', '-o', 'json')).containers).toMatchObject([
      { id: container, podSandboxId: pod, state: 'CONTAINER_RUNNING' },
    ]);
    expect((await json('inspect', container)).status.state).toBe('CONTAINER_RUNNING');
    await eventually(
      'the container writes',
      async () => (await run('logs', container)) === 'ready',
    );
    expect((await run('exec', '--sync', container, 'echo', 'hello')).trim()).toBe('hello');
    await expect(run('exec', '--sync', container, 'false')).rejects.toThrow('exit');

    await run('stop', container);
    expect((await json('ps', '-a', '-o', 'json')).containers).toMatchObject([
      { id: container, state: 'CONTAINER_EXITED' },
    ]);
    await run('rm', container);
    await run('stopp', pod);
    await run('rmp', pod);
    expect(await json('pods', '-o', 'json')).toEqual({ items: [] });
    await run('rmi', image);
    expect((await json('images', '-o', 'json')).images).toEqual([]);
  });

  test('runs a container with one command', async ({ daemon, busybox }) => {
    const podFile = join(daemon.place.directory, 'pod.json');
    const containerFile = join(daemon.place.directory, 'container.json');
    await writeFile(podFile, crictlJson(podConfig(daemon)));
    await writeFile(containerFile, crictlJson(containerConfig(busybox, shell('echo one command'))));
    const container = await crictl(daemon.place, 'run', containerFile, podFile);
    await eventually(
      'the container writes',
      async () => (await crictl(daemon.place, 'logs', container)) === 'one command',
    );
  });
});

/** A message as crictl reads it: the names of api.proto, in snake case. */
function crictlJson(message: unknown): string {
  return JSON.stringify(message, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [snakeCase(key), inner]))
      : value,
  );
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
