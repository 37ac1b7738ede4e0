import type { ImageSummary } from '#admin/image-json.ts';
import type { Command } from './command.ts';
import { shortDigest } from './pull-display.ts';
import { formatBytes } from './sizes.ts';
import { printJson, printTable } from './output.ts';

export const imagesLs: Command = {
  synopsis: '',
  details: `One line for each tag. SIZE is what was downloaded: the compressed layers and the
configuration.
`,
  flags: {},
  operands: { min: 0, max: 0 },
  run: async ({ node, isJson }) => {
    const images = await node.images();
    if (isJson) printJson(images);
    else printTable([heading, ...images.flatMap(rowsOf)]);
  },
};

const heading = ['IMAGE', 'ID', 'SIZE', 'CREATED'];

function rowsOf({ id, repoTags, repoDigests, sizeBytes, created }: ImageSummary): string[][] {
  const names = repoTags.length > 0 ? repoTags : repoDigests;
  const rest = [shortDigest(id), formatBytes(sizeBytes), created.slice(0, 10)];
  return names.map((name) => [name, ...rest]);
}
