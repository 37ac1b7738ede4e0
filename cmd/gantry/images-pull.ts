import { text } from 'node:stream/consumers';
import type { ImageSummary } from '#admin/image-json.ts';
import type { PullProgress } from '#image/images.ts';
import { type Command, ExitError, type Invocation } from './command.ts';
import { pullDisplay } from './pull-display.ts';

type Line = { readonly progress?: PullProgress; readonly image?: ImageSummary };

export const imagesPull: Command = {
  synopsis: 'IMAGE',
  details: `Shows a bar for each layer on a terminal, and plain lines elsewhere; both on standard error.
Prints the image's id at the end. With --json, prints one JSON object a line, of progress
first and of the image at last. Ctrl-C gives the pull up, unless somebody else waits for it.

Flags:
  --username NAME      for the registry
  --password-stdin     read the password from standard input
`,
  flags: { username: { type: 'string' }, 'password-stdin': { type: 'boolean' } },
  operands: { min: 1, max: 1 },
  run: async ({ admin, operands: [image], options, isJson }) => {
    const body = { image, credentials: await credentialsFrom(options) };
    const display = pullDisplay(process.stderr);
    const request = { method: 'POST', path: '/v1/images/pull', body } as const;
    for await (const line of admin.lines<Line>(request)) {
      if (isJson) process.stdout.write(`${JSON.stringify(line)}\n`);
      else if (line.progress) display.show(line.progress);
      else if (line.image) process.stdout.write(`${line.image.id}\n`);
    }
  },
};

async function credentialsFrom(options: Invocation['options']) {
  const { username } = options;
  const hasPassword = options['password-stdin'] === true;
  if (username === undefined && !hasPassword) return undefined;
  if (username === undefined || !hasPassword) {
    throw new ExitError('usage', '--username and --password-stdin belong together');
  }
  return { username, password: (await text(process.stdin)).replace(/\r?\n$/, '') };
}
