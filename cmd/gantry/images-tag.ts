import type { ImageSummary } from '#admin/image-json.ts';
import type { Command } from './command.ts';

export const imagesTag: Command = {
  synopsis: 'IMAGE NAME',
  details: `An image that had the name before loses it. The image itself is not copied.
`,
  flags: {},
  operands: { min: 2, max: 2 },
  run: async ({ admin, operands: [image, tag], isJson }) => {
    const answer = await admin.ask<{ readonly image: ImageSummary }>({
      method: 'POST',
      path: '/v1/images/tag',
      body: { image, tag },
    });
    if (isJson) process.stdout.write(`${JSON.stringify(answer.image)}\n`);
  },
};
