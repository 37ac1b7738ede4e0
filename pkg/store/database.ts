import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '#errors/fault.ts';

/**
 * The state database: one SQLite file, which `sqlite3` reads on a node.
 *
 * WAL with synchronous=NORMAL: a committed record survives the death of the daemon at any moment.
 * A power cut may take the last commits, and with them the namespaces, mounts and processes that
 * they led to; what stays on disk without a record is swept at the next start.
 */
export type Database = {
  readonly sql: DatabaseSync;
  /**
   * Brings the tables of one package to their newest form, once, at start. `steps` is the history of
   * its schema: a step, once released, never changes; new ones are appended.
   */
  migrate(owner: string, steps: readonly string[]): void;
  /** Runs `work` in one transaction: all of its writes are kept, or none. Not to be nested. */
  transaction<Result>(work: () => Result): Result;
  close(): void;
};

/** Opens the database at `path` (`:memory:` for tests), making it and its folder when missing. */
export function openDatabase(path: string): Database {
  const sql = open(path);
  sql.exec(
    'CREATE TABLE IF NOT EXISTS schema (owner TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT',
  );

  function transaction<Result>(work: () => Result): Result {
    sql.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      sql.exec('COMMIT');
      return result;
    } catch (error) {
      if (sql.isTransaction) sql.exec('ROLLBACK');
      throw error;
    }
  }

  return {
    sql,
    transaction,
    migrate: (owner, steps) => {
      const row = sql.prepare('SELECT version FROM schema WHERE owner = ?').get(owner);
      const version = Number(row?.['version'] ?? 0);
      if (version > steps.length) {
        throw new Fault(
          'failed-precondition',
          `open "${path}": written by a newer gantryd (${owner} schema ${version}, this one knows ${steps.length})`,
        );
      }
      if (version === steps.length) return;
      transaction(() => {
        for (const step of steps.slice(version)) sql.exec(step);
        sql.prepare('INSERT OR REPLACE INTO schema VALUES (?, ?)').run(owner, steps.length);
      });
    },
    close: () => sql.close(),
  };
}

function open(path: string): DatabaseSync {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const sql = new DatabaseSync(path);
    sql.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000');
    return sql;
  } catch (cause) {
    throw new Fault('unavailable', `open the state database "${path}"`, { cause });
  }
}
