import { expect } from 'vitest';
import { describe as story, Fault } from '#errors/fault.ts';
import type { TestImages } from './open-images.ts';

/** The Fault that a pull ends with, after which nothing of the image is to be seen. */
export async function failure(
  { images }: TestImages,
  pulling: Promise<unknown>,
): Promise<{ readonly code: string; readonly text: string }> {
  const error: unknown = await pulling.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Fault)) throw new Error('the pull did not fail', { cause: error });
  expect(images.list()).toEqual([]);
  return { code: error.code, text: story(error) };
}
