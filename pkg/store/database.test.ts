import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from './database.ts';
import { checkDatabaseFile } from './read-records.ts';
import { RecordTable } from './record-table.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-database-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder]);
});
afterEach(() => {
  execFileSync('umount', [folder]);
  rmSync(folder, { recursive: true });
});

it('goes on taking records on a disk that has filled up', () => {
  using stack = new DisposableStack();
  const database = stack.adopt(openDatabase(join(folder, 'gantry.db')), (opened) => opened.close());
  const table = new RecordTable<{ id: string; text: string }>(database, 'things', ['id', 'text']);
  expect(() =>
    execFileSync('dd', ['if=/dev/zero', `of=${folder}/fill`], { stdio: 'ignore' }),
  ).toThrow();
  const text = 'x'.repeat(2000);
  for (let round = 0; round < 20; round += 1) {
    for (let i = 0; i < 200; i += 1) table.put({ id: `${i}`, text });
  }
  expect(table.load().records).toHaveLength(200);
});

it('says so when there is no room at all', () => {
  execFileSync('dd', ['if=/dev/zero', `of=${folder}/fill`, 'bs=1M', 'count=16'], {
    stdio: 'ignore',
  });
  expect(() => openDatabase(join(folder, 'gantry.db'))).toThrow(
    expect.objectContaining({ code: 'resource-exhausted' }),
  );
});

it('says which file is damaged, or is none of ours', () => {
  const path = join(folder, 'gantry.db');
  openDatabase(path).close();
  checkDatabaseFile(path);
  const file = openSync(path, 'r+');
  const pageBytes = 4096;
  writeSync(file, Buffer.alloc(pageBytes, 0xff), 0, pageBytes, pageBytes);
  closeSync(file);
  expect(() => openDatabase(path)).toThrow(/^open the state database ".*gantry.db"$/);
  expect(() => checkDatabaseFile(path)).toThrow(
    expect.objectContaining({
      message: `read the state database "${path}"`,
      cause: expect.objectContaining({ message: expect.not.stringContaining('\n') }),
    }),
  );
  writeFileSync(path, 'no database'.repeat(100));
  expect(() => openDatabase(path)).toThrow(`open the state database "${path}"`);
});

it('migrates step by step, once, and refuses what a newer version wrote', () => {
  const path = join(folder, 'gantry.db');
  const steps = ['CREATE TABLE a (x)', 'ALTER TABLE a ADD COLUMN y'];
  const first = openDatabase(path);
  first.migrate('part', steps.slice(0, 1));
  first.close();
  const second = openDatabase(path);
  second.migrate('part', steps);
  second.migrate('part', steps);
  second.sql.exec('INSERT INTO a VALUES (1, 2)');
  expect(() => second.migrate('part', [])).toThrow('written by a newer gantryd');
  second.close();
});

it('keeps all of a transaction or nothing', () => {
  const database = openDatabase(':memory:');
  database.sql.exec('CREATE TABLE a (x)');
  const failing = () =>
    database.transaction(() => {
      database.sql.exec('INSERT INTO a VALUES (1)');
      throw new Error('half-way');
    });
  expect(failing).toThrow('half-way');
  expect(database.sql.prepare('SELECT * FROM a').all()).toEqual([]);
});

it('does not wait long for another process that writes, and says that there is one', () => {
  const path = join(folder, 'gantry.db');
  const database = openDatabase(path);
  const table = new RecordTable<{ id: string }>(database, 'things', ['id']);
  using other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const beganAt = performance.now();
  expect(() => table.put({ id: 'a' })).toThrow(
    expect.objectContaining({
      code: 'unavailable',
      message: `write the record of "a" to the state database "${path}": another process writes to it`,
    }),
  );
  expect(performance.now() - beganAt).toBeLessThan(2_000);
  other.exec('ROLLBACK');
  table.put({ id: 'a' });
  database.close();
});
