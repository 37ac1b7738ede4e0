import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { ContainerState, PodSandboxState } from '#api/cri/v1/types.ts';
import { cri, removeAllPods, type Running, runOne, systemctl } from './installed.ts';

type Before = { readonly image: string; readonly pods: readonly Running[] };

const { image, pods }: Before = JSON.parse(
  readFileSync('/var/tmp/gantry-before-reboot.json', 'utf8'),
);

const rows = (table: string) => {
  using database = new DatabaseSync('/var/lib/gantry/gantry.db', { readOnly: true });
  return database.prepare(`SELECT * FROM ${table}`).all();
};

describe('after a reboot of the machine', () => {
  it('the daemon runs', () => {
    expect(systemctl('is-active', 'gantryd')).toBe('active');
  });

  it('the old pods are not ready, with their records', async () => {
    const { items } = await cri.listPodSandbox({});
    expect(items.map(({ id }) => id).toSorted()).toEqual(pods.map(({ pod }) => pod).toSorted());
    for (const { state, metadata } of items) {
      expect(state).toBe(PodSandboxState.SANDBOX_NOTREADY);
      expect(metadata?.namespace).toBe('default');
    }
    const { containers } = await cri.listContainers({});
    expect(containers).toHaveLength(2);
    for (const { state } of containers) expect(state).toBe(ContainerState.CONTAINER_EXITED);
  });

  it('everything can be removed, and addresses are free', async () => {
    await removeAllPods();
    expect((await cri.listPodSandbox({})).items).toEqual([]);
    expect((await cri.listContainers({})).containers).toEqual([]);
    for (const table of ['sandboxes', 'containers', 'pod_addresses']) {
      expect(rows(table), table).toEqual([]);
    }
  });

  it('new pods run, with the image that was there', async () => {
    const { images } = await cri.listImages({});
    expect(images.flatMap(({ repoTags }) => repoTags)).toContain(image);
    const { container } = await runOne(image);
    const { status } = await cri.containerStatus({ containerId: container });
    expect(status?.state).toBe(ContainerState.CONTAINER_RUNNING);
    await removeAllPods();
  });
});
