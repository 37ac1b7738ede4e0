import { expect, inject, onTestFailed, test as base } from 'vitest';
import { readFileSync } from 'node:fs';
import { startDaemon, type Daemon } from './daemon.ts';

/**
 * `test` with a daemon for the tests of one file, and the reference of an image that it has pulled.
 * After each test its pods are removed, and then nothing of them may be left on the machine.
 */
export const test = base
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the pattern to see what is needed
  .extend('daemon', { scope: 'file' }, async ({}, { onCleanup }): Promise<Daemon> => {
    const daemon = await startDaemon();
    onCleanup(async () => daemon[Symbol.asyncDispose]());
    return daemon;
  })
  .extend('busybox', { scope: 'file' }, async ({ daemon }) => {
    const image = inject('busybox');
    await daemon.cri.pullImage({ image: { image } });
    return image;
  })
  .extend('leakCheck', { auto: true }, async ({ daemon }, { onCleanup }) => {
    onTestFailed(() => console.error(lastWords(daemon)));
    onCleanup(async () => {
      await daemon.removeAllPods();
      expect(await daemon.leaks(), 'left after all pods were removed').toEqual([]);
    });
  });

/** The end of what the daemon logged: usually why a test failed. */
function lastWords(daemon: Daemon): string {
  return readFileSync(daemon.place.log, 'utf8').split('\n').slice(-40).join('\n');
}
