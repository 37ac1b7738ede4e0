import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { startDaemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { containerConfig, forever, runContainer, runPod, runToEnd, sh } from './harness/pods.ts';
import { lintPage, parsePage, sampleOf } from './harness/prometheus.ts';
import { eventually } from './harness/wait.ts';

/** GET of the page; returns status, media type and text. */
async function fetchPage(options: object, path = '/metrics') {
  const { promise, resolve, reject } = Promise.withResolvers<{
    readonly status: number;
    readonly type: string;
    readonly text: string;
  }>();
  request({ ...options, path }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        type: response.headers['content-type'] ?? '',
        text,
      }),
    );
  })
    .on('error', reject)
    .end();
  return promise;
}

describe('the page for Prometheus', () => {
  test('is judged by rules that find faults', () => {
    const faulty = [
      '# TYPE gantry_calls counter',
      'gantry_calls{a="1",b="2"} 1',
      'gantry_calls{b="2",a="1"} 1',
      '# HELP gantry_wait_ms How long.',
      '# TYPE gantry_wait_ms gauge',
      'gantry_wait_ms many',
      'gantry_other 1',
      'what?',
    ].join('\n');
    expect(lintPage(faulty)).toEqual([
      'the last line does not end',
      'cannot be read: what?',
      'gantry_calls{a="1",b="2"} is there twice',
      'gantry_other has no type',
      'gantry_wait_ms{} has no number',
      'gantry_calls has no help',
      'gantry_calls is a counter without _total',
      'gantry_wait_ms is not in base units',
    ]);
  });

  test('keeps to its conventions', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const pod = await runPod(daemon);
    await runContainer(cri, pod, containerConfig(busybox, forever));
    await runToEnd(cri, pod, containerConfig(busybox, { command: sh('exit 3') }));
    await cri.containerStatus({ containerId: 'f'.repeat(64) }).catch(() => {});
    const page = await fetchPage({ socketPath: place.adminSocket });
    expect(page.status).toBe(200);
    expect(page.type).toContain('text/plain');
    expect(lintPage(page.text)).toEqual([]);
  });

  test('tells what calls took, what they consisted of, and how they ended', async ({
    daemon,
    busybox,
  }) => {
    const { cri, place } = daemon;
    const before = parsePage((await fetchPage({ socketPath: place.adminSocket })).text);
    const pod = await runPod(daemon);
    const id = await runContainer(cri, pod, containerConfig(busybox, forever));
    await cri.containerStatus({ containerId: 'f'.repeat(64) }).catch(() => {});
    const { status } = await runToEnd(
      cri,
      pod,
      containerConfig(busybox, { command: sh('exit 3') }),
    );
    expect(status.exitCode).toBe(3);
    const page = parsePage((await fetchPage({ socketPath: place.adminSocket })).text);
    const grown = (name: string, labels: Record<string, string>) =>
      (sampleOf(page, name, labels) ?? 0) - (sampleOf(before, name, labels) ?? 0);

    const rpcs = 'gantry_rpc_duration_seconds_count';
    expect(grown(rpcs, { method: 'RunPodSandbox', code: 'ok' })).toBe(1);
    expect(grown(rpcs, { method: 'StartContainer', code: 'ok' })).toBe(2);
    expect(grown(rpcs, { method: 'ContainerStatus', code: 'not-found' })).toBe(1);
    const stages = 'gantry_stage_duration_seconds_count';
    for (const stage of ['namespace', 'network']) {
      expect(grown(stages, { method: 'RunPodSandbox', stage })).toBeGreaterThan(0);
    }
    expect(grown(stages, { method: 'CreateContainer', stage: 'snapshot' })).toBe(2);
    expect(sampleOf(page, 'gantry_containers', { state: 'running' })).toBe(1);
    expect(sampleOf(page, 'gantry_sandboxes', { state: 'ready' })).toBe(1);
    expect(grown('gantry_container_exits_total', { reason: 'Error' })).toBe(1);
    expect(grown('gantry_events_total', { object: 'container', event: 'started' })).toBe(2);
    expect(sampleOf(page, 'gantry_monitors', {})).toBe(1);
    const memory = sampleOf(page, 'gantry_monitors_memory_bytes', {});
    expect(memory).toBeGreaterThan(4096);
    expect(memory).toBeLessThan(16 << 20);
    for (const [labels, value] of page.get('gantry_leaked_resources') ?? []) {
      expect(value, labels).toBe(0);
    }
    expect(id).toHaveLength(64);
  });

  test('has all that the dashboard shows', async ({ daemon }) => {
    const file = new URL('../../docs/grafana-dashboard.json', import.meta.url);
    const { panels } = JSON.parse(readFileSync(file, 'utf8'));
    const page = await fetchPage({ socketPath: daemon.place.adminSocket });
    const types = [...page.text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name);
    const known = new Set(
      types.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]),
    );
    for (const { title, targets } of panels) {
      const shown = targets.flatMap(({ expr }: { readonly expr: string }) =>
        expr.match(/\b(gantry|process)_\w+/g),
      );
      expect(shown.length, title).toBeGreaterThan(0);
      for (const name of shown) expect(known, title).toContain(name);
    }
  });

  test('counts pulls, their bytes, and why they fail', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    await cri.pullImage({ image: { image: `${busybox}-nonsense` } }).catch(() => {});
    const page = parsePage((await fetchPage({ socketPath: place.adminSocket })).text);
    const pulls = 'gantry_image_pulls_total';
    expect(sampleOf(page, pulls, { kind: 'pull', code: 'ok' })).toBeGreaterThanOrEqual(1);
    expect(sampleOf(page, pulls, { kind: 'pull', code: 'not-found' })).toBe(1);
    expect(sampleOf(page, 'gantry_image_downloaded_bytes_total', {})).toBeGreaterThan(100_000);
    const stage = { method: 'PullImage', stage: 'resolve' };
    expect(sampleOf(page, 'gantry_stage_duration_seconds_count', stage)).toBeGreaterThan(0);
  });

  test('counts what is left of a defect', async ({ daemon }) => {
    const { mkdir, rmdir } = await import('node:fs/promises');
    const { place } = daemon;
    const stranger = `${place.state}/containers/${'e'.repeat(64)}`;
    await mkdir(stranger);
    try {
      const page = parsePage((await fetchPage({ socketPath: place.adminSocket })).text);
      expect(sampleOf(page, 'gantry_leaked_resources', { kind: 'container-folder' })).toBe(1);
    } finally {
      await rmdir(stranger);
    }
  });

  test('is there after a reboot, which takes the folders of pods away', async ({ daemon }) => {
    const { cri, place } = daemon;
    const { id } = await runPod(daemon);
    await cri.stopPodSandbox({ podSandboxId: id });
    await rm(join(place.state, 'sandboxes', id), { recursive: true });
    const { status, text } = await fetchPage({ socketPath: place.adminSocket });
    expect(status).toBe(200);
    const page = parsePage(text);
    expect(sampleOf(page, 'gantry_leaked_resources', { kind: 'stopped-sandbox' })).toBe(0);
  });

  test('is served at a configured address, and nothing else is', async () => {
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    await using daemon = await startDaemon({
      extraConfig: `[metrics]\nlisten = "127.0.0.1:${port}"\n`,
    });
    const page = await fetchPage({ host: '127.0.0.1', port });
    expect(page.status).toBe(200);
    expect(lintPage(page.text)).toEqual([]);
    expect((await fetchPage({ host: '127.0.0.1', port }, '/v1/images')).status).toBe(404);
    await eventually('the event loop was looked at', async () => {
      const { text } = await fetchPage({ host: '127.0.0.1', port });
      return (sampleOf(parsePage(text), 'gantry_event_loop_delay_seconds_count', {}) ?? 0) > 0;
    });
    await daemon.stop();
    await expect(fetchPage({ host: '127.0.0.1', port })).rejects.toThrow('ECONNREFUSED');
  });
});
