import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { toJavaScript } from './javascript.ts';

test('types go, and lines and columns stay', () => {
  const [first, second] = toJavaScript('type A = 1;\nconst a: A = 1;').split('\n');
  expect(first).toBe(' '.repeat(11));
  expect(second).toBe('const a    = 1;');
});

test('files are named as they are called now, whoever names them', () => {
  const source = `import { a } from '#errors/fault.ts';
await import("../x.ts");
new URL('./worker.ts', import.meta.url);
`;
  expect(toJavaScript(source)).toBe(source.replaceAll('.ts', '.js'));
});

test('what is no name of a file of ours stays', () => {
  const source = `import { b } from 'cgroupfs-ts';
const kinds = ['.test.tsx', 'a.ts', '.t', 's'];
`;
  expect(toJavaScript(source)).toBe(source);
});

test('all files that the daemon and the command line have are named in such a way', () => {
  const names = globSync(['cmd/**/*.ts', 'pkg/**/*.ts', 'api/**/*.ts']).filter(
    (name) => !/node_modules|\.test\.ts$/.test(name),
  );
  expect(names.length).toBeGreaterThan(100);
  const missed = names.filter((name) =>
    /\.ts['"`]/.test(toJavaScript(readFileSync(name, 'utf8')).replaceAll(/^\s*(\/\/|\*).*$/gm, '')),
  );
  expect(missed).toEqual([]);
});
