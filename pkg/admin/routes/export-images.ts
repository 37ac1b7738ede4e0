import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, requiredParameter } from '#admin/exchange.ts';
import { Fault } from '#errors/fault.ts';
import { archiveFormats } from '#image/images.ts';

/** A tar archive of each `image`, in the `format` that is asked for. */
export async function exportImages(
  { images }: AdminDeps,
  { query, response, signal }: Exchange,
): Promise<void> {
  requiredParameter(query, 'image');
  const wanted = query.get('format') ?? 'oci';
  const format = archiveFormats.find((known) => known === wanted);
  if (format === undefined) {
    const known = archiveFormats.join(' and ');
    throw new Fault('invalid-argument', `the format "${wanted}" is unknown; there is ${known}`);
  }
  response.setHeader('content-type', 'application/x-tar');
  await images.export({ references: query.getAll('image'), format }, response, signal);
}
