import { imageJson, type ImageSummary } from '#admin/image-json.ts';
import { imageOf, type ImageRecord } from '#image/image.ts';
import type { Folders } from './places.ts';
import { recordsIn } from './recorded-pods.ts';

/** The images of a daemon that is down, from its records. */
export function recordedImages(folders: Folders): ImageSummary[] {
  const [records] = recordsIn(folders, ['images']);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only the daemon writes them
  return (records as ImageRecord[]).map(imageOf).map(imageJson);
}
