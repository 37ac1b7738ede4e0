import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Command, ExitError } from './command.ts';

export const imagesExport: Command = {
  synopsis: '[-o FILE] [--format oci|docker] IMAGE...',
  details: `Writes a tar archive to FILE, or to standard output. Its layers are compressed as the registry
had them. By tag, the archive has that tag; by id, all tags of the image.

Flags:
  -o, --output FILE    made whole or not at all
  --format FORMAT      oci: an OCI image layout (the default); docker: as docker save writes it
`,
  flags: { output: { type: 'string', short: 'o' }, format: { type: 'string' } },
  operands: { min: 1, max: Number.POSITIVE_INFINITY },
  run: async ({ admin, operands, options }) => {
    const { output, format } = options;
    if (output === undefined && process.stdout.isTTY) {
      throw new ExitError('usage', 'an archive is not for a terminal: give --output FILE');
    }
    const query = { image: operands, format: typeof format === 'string' ? format : 'oci' };
    const archive = await admin.open({ method: 'GET', path: '/v1/images/export', query });
    if (typeof output === 'string') await writeWhole(output, archive);
    else await pipeline(archive, process.stdout);
  },
};

/** Nobody shall take half of an archive for one. */
async function writeWhole(file: string, archive: NodeJS.ReadableStream): Promise<void> {
  const partial = `${file}.partial`;
  try {
    await pipeline(archive, createWriteStream(partial, { flush: true }));
    await rename(partial, file);
  } catch (cause) {
    await rm(partial, { force: true });
    throw new ExitError('failed', `write "${file}"`, { cause });
  }
}
