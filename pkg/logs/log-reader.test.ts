import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test as base } from 'vitest';
import { LogReader, type Range } from './log-reader.ts';
import { mergeLogs } from './merge.ts';
import type { LogEntry } from './joiner.ts';

const test = base
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the pattern to see what is needed
  .extend('path', async ({}, { onCleanup }) => {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-logs-'));
    onCleanup(() => rmSync(folder, { recursive: true }));
    return join(folder, '0.log');
  });

/** A line of a log; `seconds` after midnight. */
function line(seconds: number, text: string, { stream = 'stdout', tag = 'F' } = {}): string {
  const time = new Date(seconds * 1000).toISOString().slice(11, 19);
  return `2026-01-02T${time}.000000005+00:00 ${stream} ${tag} ${text}\n`;
}

const midnight = Date.parse('2026-01-02T00:00:00Z');
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => line(from + n, `line ${from + n}`)).join('');
const texts = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `line ${from + n}`);

async function all(entries: AsyncIterable<readonly LogEntry[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const some of entries) found.push(...some.map(({ text }) => text.toString()));
  return found;
}

async function history(path: string, range: Range = {}): Promise<string[]> {
  using reader = new LogReader(path);
  return [
    ...(await all(reader.history(range))),
    ...reader.flush().map(({ text }) => text.toString()),
  ];
}

/** As kubelet leaves them: the oldest compressed. */
function rotatedThrice(path: string): void {
  writeFileSync(`${path}.20260102-000010.gz`, gzipSync(numbered(0, 10)));
  writeFileSync(`${path}.20260102-000020.gz`, gzipSync(numbered(10, 20)));
  writeFileSync(`${path}.20260102-000020.gz.tmp`, 'half');
  writeFileSync(`${path}.20260102-000030`, numbered(20, 30));
  writeFileSync(path, numbered(30, 40));
}

describe('history', () => {
  test('goes through all files, the compressed ones first', async ({ path }) => {
    rotatedThrice(path);
    expect(await history(path)).toEqual(texts(0, 40));
  });

  test('is empty where there is no log', async ({ path }) => {
    expect(await history(path)).toEqual([]);
    expect(await history(join(path, 'nowhere', '0.log'))).toEqual([]);
  });

  test('takes as many last lines as are wanted, from as many files', async ({ path }) => {
    rotatedThrice(path);
    for (let tail = 0; tail <= 41; tail += 1) {
      expect(await history(path, { tail })).toEqual(texts(Math.max(0, 40 - tail), 40));
    }
  });

  test('begins at a time, in whatever file that is', async ({ path }) => {
    rotatedThrice(path);
    for (let second = 0; second <= 40; second += 1) {
      const sinceMs = midnight + second * 1000;
      expect(await history(path, { sinceMs })).toEqual(texts(second, 40));
    }
  });

  test('begins at a time in a large file, too', async ({ path }) => {
    writeFileSync(path, numbered(0, 40_000));
    for (const second of [0, 1, 12_345, 39_999, 40_000]) {
      const sinceMs = midnight + second * 1000;
      expect(await history(path, { sinceMs })).toEqual(texts(second, 40_000));
    }
    expect(await history(path, { tail: 30_000 })).toEqual(texts(10_000, 40_000));
  });

  test('keeps to both limits', async ({ path }) => {
    rotatedThrice(path);
    expect(await history(path, { sinceMs: midnight + 37_000, tail: 5 })).toEqual(texts(37, 40));
    expect(await history(path, { sinceMs: midnight + 1_000, tail: 5 })).toEqual(texts(35, 40));
  });

  const parts = [
    line(1, 'a', { tag: 'P' }),
    line(2, 'one', { stream: 'stderr', tag: 'P' }),
    line(3, 'b', { tag: 'P' }),
    line(4, 'c'),
    line(5, ' two', { stream: 'stderr' }),
  ];

  test('joins what the log has in parts, stream by stream, over files', async ({ path }) => {
    for (let cut = 0; cut <= parts.length; cut += 1) {
      writeFileSync(`${path}.20260102-000010.gz`, gzipSync(parts.slice(0, cut).join('')));
      writeFileSync(path, parts.slice(cut).join(''));
      expect(await history(path)).toEqual(['abc', 'one two']);
    }
  });

  test('takes lines whole from the end as well', async ({ path }) => {
    writeFileSync(path, line(0, 'before') + parts.join('') + parts.slice(0, 3).join(''));
    expect(await history(path, { tail: 1 })).toEqual(['one two', 'ab', 'one']);
    expect(await history(path, { tail: 2 })).toEqual(['abc', 'one two', 'ab', 'one']);
  });

  test('cuts a line that does not end', async ({ path }) => {
    const part = line(1, 'x'.repeat(8192), { tag: 'P' });
    writeFileSync(path, part.repeat(300));
    const lengths = (await history(path)).map(({ length }) => length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1024 * 1024);
    expect(lengths.reduce((sum, length) => sum + length)).toBe(300 * 8192);
  });

  test('shows what a full disk left of lines', async ({ path }) => {
    writeFileSync(path, `${line(1, 'one')}2026-01-02T00:0${line(3, 'three')}`);
    expect(await history(path)).toEqual(['one', `2026-01-02T00:0${line(3, 'three').trimEnd()}`]);
  });

  test('says which file cannot be read', async ({ path }) => {
    writeFileSync(`${path}.20260102-000010.gz`, 'no gzip');
    await expect(history(path)).rejects.toThrow(`read log "${path}.20260102-000010.gz"`);
  });
});

describe('more', () => {
  test('goes on where it was, with whole lines only', async ({ path }) => {
    writeFileSync(path, numbered(0, 2));
    using reader = new LogReader(path);
    expect(await all(reader.history({}))).toEqual(texts(0, 2));
    expect(await all(reader.more())).toEqual([]);
    const next = line(2, 'line 2');
    appendFileSync(path, next.slice(0, 20));
    expect(await all(reader.more())).toEqual([]);
    appendFileSync(path, next.slice(20));
    expect(await all(reader.more())).toEqual(['line 2']);
  });

  test('waits for a log that is not there yet', async ({ path }) => {
    using reader = new LogReader(path);
    expect(await all(reader.history({}))).toEqual([]);
    expect(await all(reader.more())).toEqual([]);
    writeFileSync(path, numbered(0, 2));
    expect(await all(reader.more())).toEqual(texts(0, 2));
  });

  test('reads the old file to its end when there is a new one', async ({ path }) => {
    writeFileSync(path, numbered(0, 2));
    using reader = new LogReader(path);
    await all(reader.history({}));
    const old = `${path}.20260102-000010`;
    renameSync(path, old);
    appendFileSync(old, numbered(2, 4));
    expect(await all(reader.more())).toEqual(texts(2, 4));
    appendFileSync(old, numbered(4, 5));
    writeFileSync(path, numbered(5, 7));
    expect(await all(reader.more())).toEqual(texts(4, 7));
    appendFileSync(path, numbered(7, 8));
    expect(await all(reader.more())).toEqual(texts(7, 8));
  });

  test('loses and doubles nothing when there are rotations while it reads', async ({ path }) => {
    writeFileSync(path, numbered(0, 2));
    using reader = new LogReader(path);
    await all(reader.history({}));
    appendFileSync(path, 'torn');
    renameSync(path, `${path}.20260102-000010`);
    writeFileSync(path, '');
    const more = reader.more();
    expect((await more.next()).value).toMatchObject([{ text: Buffer.from('torn') }]);
    appendFileSync(path, numbered(2, 3));
    renameSync(path, `${path}.20260102-000020`);
    writeFileSync(path, numbered(3, 4));
    expect(await all(more)).toEqual(texts(2, 4));
  });

  test('begins while the log has been renamed, and the next is not there yet', async ({ path }) => {
    const renamed = `${path}.20260102-000010`;
    writeFileSync(renamed, numbered(0, 2));
    using reader = new LogReader(path);
    expect(await all(reader.history({}))).toEqual(texts(0, 2));
    appendFileSync(renamed, numbered(2, 3));
    expect(await all(reader.more())).toEqual(texts(2, 3));
    appendFileSync(renamed, numbered(3, 4));
    writeFileSync(path, numbered(4, 5));
    expect(await all(reader.more())).toEqual(texts(3, 5));
  });

  test('reads the files that came and went meanwhile', async ({ path }) => {
    rotatedThrice(path);
    using reader = new LogReader(path);
    await all(reader.history({ tail: 1 }));
    appendFileSync(path, numbered(40, 50));
    const whole = numbered(30, 50);
    renameSync(path, `${path}.20260102-000050`);
    rmSync(`${path}.20260102-000050`);
    writeFileSync(`${path}.20260102-000050.gz`, gzipSync(whole));
    writeFileSync(`${path}.20260102-000060`, numbered(50, 60));
    writeFileSync(path, numbered(60, 61));
    expect(await all(reader.more())).toEqual(texts(40, 61));
  });

  test('begins anew in a file that was emptied', async ({ path }) => {
    writeFileSync(path, numbered(0, 10));
    using reader = new LogReader(path);
    await all(reader.history({}));
    truncateSync(path);
    appendFileSync(path, numbered(10, 12));
    expect(await all(reader.more())).toEqual(texts(10, 12));
  });
});

test('merges logs in the order of time', async ({ path }) => {
  writeFileSync(path, [1, 4, 5].map((n) => line(n, `${n}`)).join(''));
  writeFileSync(`${path}2`, [2, 3, 6].map((n) => line(n, `${n}`)).join(''));
  using first = new LogReader(path);
  using second = new LogReader(`${path}2`);
  using third = new LogReader(`${path}3`);
  const found: string[] = [];
  const logs = [first, second, third].map((log, n) => [n, log.history({})] as const);
  for await (const batch of mergeLogs(logs)) {
    found.push(...batch.map(({ source, entry }) => `${source}: ${entry.text.toString()}`));
  }
  expect(found).toEqual(['0: 1', '1: 2', '1: 3', '0: 4', '0: 5', '1: 6']);
});
