/**
 * Writes JavaScript beside the TypeScript below a folder: `node hack/javascript.ts FOLDER`. Node then
 * needs no stripper of types, which takes memory and time in each thread, and is WebAssembly: V8 has
 * died of that where it is slow (nodejs/node#64500). Lines and columns stay what they are.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

/** The name of a file of ours in quotes, as in `from '#errors/fault.ts'` and `new URL('./worker.ts', …)`. */
const sourceName = /(?<=(['"])[.#][^'"\n]*)\.ts(?=\1)/g;

/** `source` without types, naming the JavaScript of the other files. */
export function toJavaScript(source: string): string {
  return stripTypeScriptTypes(source).replaceAll(sourceName, '.js');
}

function convert(folder: string): void {
  // It says that stripping is experimental.
  process.removeAllListeners('warning');
  const ours = { cwd: folder, exclude: ['**/node_modules', '**/*.d.ts'] };
  for (const name of globSync('**/*.ts', ours)) {
    const path = join(folder, name);
    writeFileSync(path.replace(/\.ts$/, '.js'), toJavaScript(readFileSync(path, 'utf8')));
  }
  for (const name of globSync('**/package.json', ours)) {
    const path = join(folder, name);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(sourceName, '.js'));
  }
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('which folder?');
  convert(folder);
}
