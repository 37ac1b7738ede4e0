import { DatabaseSync } from 'node:sqlite';
import { checkWhole, writeFault } from './database.ts';

/**
 * The records of some tables, oldest first, of a database that another process may be writing to, or
 * that none has open: nothing is changed. Tables that are not there are empty; what cannot be read is
 * left out. The records are as their RecordTable has written them.
 */
export function readRecords(path: string, tables: readonly string[]): unknown[][] {
  return reading(path, (sql) => {
    sql.exec('BEGIN');
    return tables.map((table) => {
      const isThere = sql.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(table);
      if (isThere === undefined) return [];
      const rows = sql.prepare(`SELECT record FROM ${table} ORDER BY rowid`).all();
      return rows.flatMap((row) => readable(String(row['record'])));
    });
  });
}

/** Throws when the database cannot be read, or is damaged. */
export function checkDatabaseFile(path: string): void {
  reading(path, checkWhole);
}

function reading<Result>(path: string, read: (sql: DatabaseSync) => Result): Result {
  try {
    using sql = new DatabaseSync(path, { readOnly: true });
    sql.exec('PRAGMA busy_timeout = 5000');
    return read(sql);
  } catch (cause) {
    throw writeFault(`read the state database "${path}"`, cause);
  }
}

function readable(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    return [];
  }
}
