import { execa } from 'execa';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const inProject = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

it('the configuration of the package shows keys that there are, with their defaults', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-package-'));
  const file = join(directory, 'gantry.toml');
  const text = await readFile(inProject('packaging/gantry.toml'), 'utf8');
  await writeFile(file, text.replaceAll(/^#(?! )/gm, ''));
  const gantryd = inProject('cmd/gantryd/gantryd');
  const shown = await execa(gantryd, ['config', 'check', '--config', file]);
  const defaults = await execa(gantryd, ['config', 'default']);
  await rm(directory, { recursive: true });
  expect(shown.stdout).toBe(defaults.stdout);
});
