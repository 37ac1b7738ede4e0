import { writeFileSync } from 'node:fs';
import { expect, inject, it } from 'vitest';
import { NamespaceMode } from '#api/cri/v1/types.ts';
import { cri, removeAllPods, runOne } from './installed.ts';

it('leaves pods running when the machine goes down', async () => {
  // Whatever tests before this one did.
  await removeAllPods();
  const image = inject('busybox');
  await cri.pullImage({ image: { image } });
  const shared = { securityContext: { namespaceOptions: { pid: NamespaceMode.POD } } };
  const pods = [
    await runOne(image),
    await runOne(image, { linux: { cgroupParent: '/kubepods.slice', ...shared } }),
  ];
  const { items } = await cri.listPodSandbox({ filter: {} });
  expect(items).toHaveLength(2);
  writeFileSync('/var/tmp/gantry-before-reboot.json', JSON.stringify({ image, pods }));
});
