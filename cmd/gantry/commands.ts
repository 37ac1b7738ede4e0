import type { Command } from './command.ts';
import { imagesExport } from './images-export.ts';
import { imagesImport } from './images-import.ts';
import { imagesLs } from './images-ls.ts';
import { imagesPull } from './images-pull.ts';
import { imagesRm } from './images-rm.ts';
import { imagesTag } from './images-tag.ts';

export const commands: Readonly<Record<string, Command>> = {
  'images ls': imagesLs,
  'images pull': imagesPull,
  'images import': imagesImport,
  'images export': imagesExport,
  'images tag': imagesTag,
  'images rm': imagesRm,
};
