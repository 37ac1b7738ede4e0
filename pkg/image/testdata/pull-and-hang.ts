import { openTestImages } from './open-images.ts';

/** A process to be killed in the middle of a pull: `pull-and-hang.ts <root> <reference>`. */
const [root = '', reference = ''] = process.argv.slice(2);
const { images } = await openTestImages({ root });
await images.pull(reference, {}, new AbortController().signal);
