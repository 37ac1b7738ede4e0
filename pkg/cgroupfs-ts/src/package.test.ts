import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCgroupfs } from './cgroupfs.ts';
import * as sources from './index.ts';

const run = promisify(execFile);
const home = join(import.meta.dirname, '..');

// As others get it: built, under node_modules, in a project of their own.
describe('the published package', () => {
  let project: string;
  let installed: string;

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'cgroupfs-ts-'));
    installed = join(project, 'node_modules/cgroupfs-ts');
    await run('npm', ['run', 'build', '--', installed], { cwd: home });
  }, 60_000);

  afterAll(() => rm(project, { recursive: true }));

  it('exports to plain Node what the sources export', async () => {
    const script = "console.log(JSON.stringify(Object.keys(await import('cgroupfs-ts'))))";
    const args = ['--no-strip-types', '--input-type=module', '-e', script];
    const { stdout } = await run(process.execPath, args, { cwd: project });
    expect(JSON.parse(stdout)).toEqual(Object.keys(sources).toSorted());
  });

  it('has code, types, licence and README, and no more', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', installed], {
      cwd: project,
    });
    const [packed] = JSON.parse(stdout) as { name: string; files: { path: string }[] }[];
    const files = packed?.files.map(({ path }) => path) ?? [];
    expect(packed?.name).toBe('cgroupfs-ts');
    expect(files).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'index.js', 'index.d.ts']),
    );
    expect(files.filter((file) => !/^[a-z-]+\.(js|d\.ts)$/.test(file))).toEqual([
      'LICENSE',
      'README.md',
      'package.json',
    ]);
    expect(files.filter((file) => file.includes('test') || file.includes('fixture'))).toEqual([]);
  });

  it('does what its README shows, and has the types for it', async () => {
    const pods = `/gantry-test-${randomBytes(4).toString('hex')}`;
    const readme = await readFile(join(installed, 'README.md'), 'utf8');
    const example = join(project, 'example.ts');
    await writeFile(join(project, 'package.json'), '{ "type": "module" }');
    await writeFile(example, exampleIn(readme).replaceAll('/pods', pods));
    try {
      const { stdout } = await run(process.execPath, [example]);
      expect(stdout).toBe(`${readme.match(/ \/\/ → /g)?.length} results are as shown\n`);
    } finally {
      await openCgroupfs().kill(pods);
      await openCgroupfs().remove(pods);
    }
    const types = join(home, '../../node_modules/@types');
    const flags =
      '--noEmit --strict --exactOptionalPropertyTypes --target esnext --module nodenext';
    const compiler = ['--types', 'node', '--typeRoots', types, ...flags.split(' '), example];
    await run(join(home, '../../node_modules/.bin/tsc'), compiler, { cwd: project });
  }, 60_000);
});

/** All examples as one program, which checks what is shown behind an arrow. */
function exampleIn(readme: string): string {
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code ?? '');
  let index = 0;
  const checking = blocks
    .join('\n')
    .replaceAll(/^( *)(.*); \/\/ → (.*)$/gm, (_, indent, ...sides) => {
      index += 1;
      return `${indent}deepEqual(${sides.slice(0, 2).join(', ')}); checked.add(${index});`;
    });
  return `import { deepStrictEqual as deepEqual } from 'node:assert';
    const checked = new Set();
    ${checking}
    console.log(checked.size, 'results are as shown');`;
}
