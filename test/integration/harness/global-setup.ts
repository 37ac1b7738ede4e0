import type { TestProject } from 'vitest/node';
import { buildImage, busyboxLayer } from './image.ts';
import { push, startRegistry } from './registry.ts';

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- only interfaces merge
  interface ProvidedContext {
    /** The registry of this run. */
    registry: { readonly host: string; readonly storage: string };
    /** Reference of an image with busybox and a shell, in that registry. */
    busybox: string;
  }
}

/** One registry for the whole run; the returned function ends it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const registry = await startRegistry();
  project.provide('registry', { host: registry.host, storage: registry.storage });
  const image = buildImage([busyboxLayer()], { Cmd: ['/bin/sh'] });
  project.provide('busybox', await push(registry.host, image, 'busybox'));
  return async () => registry[Symbol.asyncDispose]();
}
