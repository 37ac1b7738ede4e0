import type { ImageSummary } from '#admin/image-json.ts';
import type { Command } from './command.ts';

export const imagesRm: Command = {
  synopsis: 'IMAGE...',
  details: `As kubelet does it: by any of its names, by digest, by id or the beginning of one, the whole
image goes. What containers use of it stays until they go. Prints the names that are gone.
`,
  flags: {},
  operands: { min: 1, max: Number.POSITIVE_INFINITY },
  run: async ({ admin, operands, isJson }) => {
    for (const image of operands) {
      const removed = await admin.ask<{ readonly image: ImageSummary }>({
        method: 'DELETE',
        path: '/v1/images',
        query: { image },
      });
      const { repoTags, repoDigests } = removed.image;
      const names = repoTags.length > 0 ? repoTags : repoDigests;
      process.stdout.write(isJson ? `${JSON.stringify(removed.image)}\n` : `${names.join('\n')}\n`);
    }
  },
};
