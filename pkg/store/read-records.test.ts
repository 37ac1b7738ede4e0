import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from './database.ts';
import { readRecords } from './read-records.ts';
import { RecordTable } from './record-table.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-records-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('reads beside the daemon that writes, and after it', () => {
  const path = join(folder, 'gantry.db');
  const database = openDatabase(path);
  const table = new RecordTable<{ id: string }>(database, 'things', ['id']);
  table.put({ id: 'a' });
  expect(readRecords(path, ['things', 'others'])).toEqual([[{ id: 'a' }], []]);
  database.sql.exec("INSERT INTO things VALUES ('b', 'no JSON')");
  table.put({ id: 'c' });
  database.close();
  expect(readRecords(path, ['things'])).toEqual([[{ id: 'a' }, { id: 'c' }]]);
});

it('makes no database where there is none', () => {
  expect(() => readRecords(join(folder, 'none.db'), ['things'])).toThrow('read the state database');
});
