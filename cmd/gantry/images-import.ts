import { createReadStream, statSync } from 'node:fs';
import { WriteStream } from 'node:tty';
import type { Readable } from 'node:stream';
import type { ImageSummary } from '#admin/image-json.ts';
import { type Command, ExitError } from './command.ts';
import { LiveLines } from './live-lines.ts';
import { formatBytes } from './sizes.ts';

export const imagesImport: Command = {
  synopsis: '[--name NAME] FILE',
  details: `FILE is a tar archive, plain or compressed with gzip or zstd, of an OCI image layout
(skopeo copy … oci-archive:FILE, docker buildx --output type=oci) or as docker save writes it;
- is standard input. Prints the names of the images. An archive is entered as a whole or not
at all.

Flags:
  --name NAME          what to call the image, for archives that do not say or say otherwise
`,
  flags: { name: { type: 'string' } },
  operands: { min: 1, max: 1 },
  run: async ({ admin, operands: [file = ''], options, isJson }) => {
    const name = typeof options['name'] === 'string' ? options['name'] : undefined;
    const stream = file === '-' ? process.stdin : openArchive(file);
    if (process.stderr instanceof WriteStream) showSent(stream, new LiveLines(process.stderr));
    const answer = await admin.ask<{ readonly images: readonly ImageSummary[] }>({
      method: 'POST',
      path: '/v1/images/import',
      query: { name },
      stream,
    });
    if (isJson) process.stdout.write(`${JSON.stringify(answer.images)}\n`);
    else for (const { repoTags } of answer.images) process.stdout.write(`${repoTags.join('\n')}\n`);
  },
};

function openArchive(file: string): Readable {
  try {
    if (!statSync(file).isDirectory()) return createReadStream(file);
  } catch (cause) {
    throw new ExitError('failed', `open "${file}"`, { cause });
  }
  throw new ExitError(
    'usage',
    `"${file}" is a directory: tar -C "${file}" -c . | gantry images import -`,
  );
}

const drawEveryMs = 100;

function showSent(stream: Readable, lines: LiveLines): void {
  let sent = 0;
  let drawnAt = 0;
  stream.on('data', (chunk: Buffer) => {
    sent += chunk.length;
    if (performance.now() < drawnAt + drawEveryMs) return;
    drawnAt = performance.now();
    lines.draw([`sent ${formatBytes(sent)}`]);
  });
  stream.on('end', () => lines.draw([`sent ${formatBytes(sent)}, being read and unpacked`]));
}
