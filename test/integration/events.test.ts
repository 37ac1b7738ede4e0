import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { status } from '@grpc/grpc-js';
import { describe, expect } from 'vitest';
import {
  type ContainerEventResponse,
  ContainerEventType,
  ContainerState,
  PodSandboxState,
} from '#api/cri/v1/types.ts';
import type { Cri } from './harness/client.ts';
import { test } from './harness/fixture.ts';
import {
  containerConfig,
  createContainer,
  forever,
  podStatus,
  runContainer,
  runPod,
  runToEnd,
  sh,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

const names = {
  [ContainerEventType.CONTAINER_CREATED_EVENT]: 'created',
  [ContainerEventType.CONTAINER_STARTED_EVENT]: 'started',
  [ContainerEventType.CONTAINER_STOPPED_EVENT]: 'stopped',
  [ContainerEventType.CONTAINER_DELETED_EVENT]: 'deleted',
};

/** Follows the events until disposed of. */
function follow(cri: Cri) {
  const call = cri.getContainerEvents({}, { timeoutMs: 60_000 });
  const events: ContainerEventResponse[] = [];
  const ended = Promise.withResolvers<number>();
  call.on('data', (event: ContainerEventResponse) => events.push(event));
  call.on('error', (error: Error & { readonly code: number }) => ended.resolve(error.code));
  call.on('end', () => ended.resolve(0));
  return {
    call,
    /** The code that it ended with. */
    ended: ended.promise,
    events,
    /** As `created abc`, of those with one of the ids. */
    words: (...ids: readonly string[]) =>
      events
        .filter(({ containerId }) => ids.includes(containerId))
        .map((event) => `${names[event.containerEventType]} ${ids.indexOf(event.containerId)}`),
    [Symbol.dispose]: () => call.cancel(),
  };
}

/** Has followers see what happens from here on: they know one pod's end. */
async function untilFollowed(
  cri: Cri,
  daemon: Parameters<typeof runPod>[0],
  ...all: ReturnType<typeof follow>[]
) {
  const { id } = await runPod(daemon);
  await cri.removePodSandbox({ podSandboxId: id });
  for (const follower of all) {
    await eventually('it follows', () => follower.words(id).includes('deleted 0'));
    follower.events.length = 0;
  }
}

describe('events', () => {
  test('tell the life of a pod and of its container, in order', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    using follower = follow(cri);
    using another = follow(cri);
    await untilFollowed(cri, daemon, follower, another);
    const pod = await runPod(daemon, { labels: { app: 'web' } });
    const id = await createContainer(cri, pod, containerConfig(busybox, forever));
    await cri.startContainer({ containerId: id });
    await cri.stopPodSandbox({ podSandboxId: pod.id });
    await cri.removePodSandbox({ podSandboxId: pod.id });
    const life = [
      'created 0',
      'started 0',
      'created 1',
      'started 1',
      'stopped 1',
      'stopped 0',
      'deleted 1',
      'deleted 0',
    ];
    for (const each of [follower, another]) {
      await eventually('all is told', () => each.words(pod.id).at(-1) === 'deleted 0');
      expect(each.words(pod.id, id)).toEqual(life);
    }
    const times = follower.events.map(({ createdAt }) => createdAt);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
  });

  test('have the whole status, as it was then', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    using follower = follow(cri);
    await untilFollowed(cri, daemon, follower);
    const pod = await runPod(daemon, { labels: { app: 'web' } });
    const { status: ended } = await runToEnd(
      cri,
      pod,
      containerConfig(busybox, { command: sh('exit 7') }),
    );
    await eventually('its end is told', () => follower.words(ended.id).includes('stopped 0'));
    const events = follower.events.filter(({ containerId }) => containerId === ended.id);
    const states = events.map(({ containersStatuses }) => containersStatuses[0]?.state);
    expect(states).toEqual([
      ContainerState.CONTAINER_CREATED,
      ContainerState.CONTAINER_RUNNING,
      ContainerState.CONTAINER_EXITED,
    ]);
    expect(events.at(-1)?.containersStatuses).toEqual([ended]);
    expect(ended).toMatchObject({ exitCode: 7, reason: 'Error' });
    const told = events.at(-1)?.podSandboxStatus;
    expect(told).toEqual(await podStatus(cri, pod.id));
    expect(told).toMatchObject({ labels: { app: 'web' }, state: PodSandboxState.SANDBOX_READY });
    const asked = await cri.podSandboxStatus({ podSandboxId: pod.id });
    expect(asked.containersStatuses).toEqual([ended]);
    expect(asked.timestamp).toBeGreaterThan(events.at(-1)?.createdAt ?? 0);
  });

  test('tell of containers that ended while the daemon was down', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    const pod = await runPod(daemon);
    const config = containerConfig(busybox, { command: sh('sleep 2; exit 5') });
    const id = await runContainer(cri, pod, config);
    await daemon.kill();
    const exits = `${daemon.place.state}/exits/${id}`;
    const { existsSync } = await import('node:fs');
    await eventually('the container ends', () => existsSync(exits));
    await daemon.start();
    using follower = follow(cri);
    const event = await eventually('its end is told', () =>
      follower.events.find(({ containerId }) => containerId === id),
    );
    expect(names[event.containerEventType]).toBe('stopped');
    expect(event.containersStatuses).toMatchObject([{ id, exitCode: 5 }]);
  });

  test('go on where the last client left off', async ({ daemon }) => {
    const { cri } = daemon;
    const first = follow(cri);
    await untilFollowed(cri, daemon, first);
    const ends = () =>
      readFileSync(daemon.place.log).toString().split('"GetContainerEvents"').length;
    const before = ends();
    first.call.cancel();
    expect(await first.ended).toBe(status.CANCELLED);
    await eventually('the daemon knows that it has gone', () => ends() > before);
    const { id } = await runPod(daemon);
    using second = follow(cri);
    await eventually('what it missed is told', () => second.words(id).length === 2);
    expect(second.words(id)).toEqual(['created 0', 'started 0']);
    using late = follow(cri);
    await untilFollowed(cri, daemon, late);
    expect(late.words(id), 'one that comes to another starts anew').toEqual([]);
  });

  test('end with an error for a client that does not keep up', async ({ daemon, busybox }) => {
    const { cri } = daemon;
    using quick = follow(cri);
    using slow = follow(cri);
    await untilFollowed(cri, daemon, quick, slow);
    slow.call.pause();
    const pod = await runPod(daemon, { annotations: { note: 'x'.repeat(100_000) } });
    let made = 0;
    const config = () => containerConfig(busybox, forever);
    while (quick.events.length < 1400) {
      const id = await createContainer(cri, pod, config());
      await cri.removeContainer({ containerId: id });
      made += 1;
      await eventually('the quick one knows', () => quick.words(id).length === 2);
    }
    slow.call.resume();
    expect(await slow.ended).toBe(status.RESOURCE_EXHAUSTED);
    expect(slow.events.length).toBeLessThan(2 * made);
    expect(quick.words(pod.id)).toEqual(['created 0', 'started 0']);
  }, 120_000);

  test('are on the admin socket, a line each', async ({ daemon }) => {
    const { place, cri } = daemon;
    const lines: { readonly event?: string; readonly kind?: string }[] = [];
    const asked = request({ socketPath: place.adminSocket, path: '/v1/events?follow=true' });
    asked.on('response', (response) => {
      let rest = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        const parts = (rest + chunk).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts.map((line) => JSON.parse(line)));
      });
    });
    asked.on('error', () => {});
    asked.end();
    const { id } = await runPod(daemon);
    await cri.removePodSandbox({ podSandboxId: id });
    await eventually(
      'four lines',
      () => lines.filter((line) => JSON.stringify(line).includes(id)).length === 4,
    );
    asked.destroy();
  });
});
