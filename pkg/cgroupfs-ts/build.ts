import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

// Makes what is published: JavaScript, type declarations, and a manifest for these. The repository
// itself uses the sources, which Node would not run under node_modules.
// `npm run build`, or `npm run build -- <directory>`; then `npm publish <directory>`.

const source = import.meta.dirname;
const usual = join(source, 'dist');
const target = resolve(process.argv[2] ?? usual);

if (target === usual) rmSync(target, { recursive: true, force: true });
execFileSync('tsc', ['-p', source, '--outDir', target], { stdio: 'inherit' });
for (const file of ['README.md', 'LICENSE']) cpSync(join(source, file), join(target, file));
writeFileSync(join(target, 'package.json'), `${JSON.stringify(published(), undefined, 2)}\n`);

/** The manifest as `publishConfig` changes it; without what is for development only. */
function published(): object {
  const manifest: unknown = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  if (!hasPublishConfig(manifest)) throw new Error('package.json has no publishConfig');
  const { publishConfig, private: _private, scripts: _scripts, ...rest } = manifest;
  return { ...rest, ...publishConfig };
}

type Manifest = {
  readonly publishConfig: object;
  readonly private?: unknown;
  readonly scripts?: unknown;
};

function hasPublishConfig(manifest: unknown): manifest is Manifest {
  return typeof manifest === 'object' && manifest !== null && 'publishConfig' in manifest;
}
