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
  const write = (statement: string): void => {
    try {
      sql.exec(statement);
    } catch (cause) {
      throw writeFault(`write to the state database "${path}"`, cause);
    }
  };
  function transaction<Result>(work: () => Result): Result {
    write('BEGIN IMMEDIATE');
    try {
      const result = work();
      write('COMMIT');
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

/**
 * How long a write waits for one of another process, such as an operator's `sqlite3`, and with it the
 * whole daemon.
 */
const writePatienceMs = 100;

/** More than the records of a full node take. */
const reserveBytes = 4 * 1024 * 1024;

/**
 * Makes the files larger than they need to be, so that a disk that fills up later cannot keep us from
 * taking note that pods were stopped: that is how it gets emptied. Both files need the room, the
 * write-ahead log until its next checkpoint and the database after it.
 */
function reserveRoom(sql: DatabaseSync): void {
  const pages = Number(sql.prepare('PRAGMA freelist_count').get()?.['freelist_count']);
  const pageBytes = Number(sql.prepare('PRAGMA page_size').get()?.['page_size']);
  if (pages * pageBytes >= reserveBytes / 2) return;
  try {
    sql.exec('CREATE TABLE IF NOT EXISTS reserve (room BLOB)');
    sql.exec(`INSERT INTO reserve VALUES (zeroblob(${reserveBytes})); PRAGMA wal_checkpoint(FULL)`);
    sql.exec('DROP TABLE reserve');
  } catch (error) {
    // On a disk that is full already we do without.
    if (!hasCode(error, SQLITE_FULL)) throw error;
  }
}

const SQLITE_BUSY = 5;
/** Or an SQLITE_IOERR for want of space, which sqlite.org/rescode.html tells apart. */
const SQLITE_FULL = 13;

/** A failure to write, as a Fault that tells a full disk, and another writer, from a broken disk. */
export function writeFault(act: string, cause: unknown): Fault {
  if (hasCode(cause, SQLITE_FULL)) return new Fault('resource-exhausted', act, { cause });
  if (!hasCode(cause, SQLITE_BUSY)) return new Fault('internal', act, { cause });
  return new Fault('unavailable', `${act}: another process writes to it`, { cause });
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === code;
}

/** Throws when pages of the file are not what they should be. Takes milliseconds on a full node. */
export function checkWhole(sql: DatabaseSync): void {
  const found = sql.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (found === 'ok') return;
  // Below a heading for each database that is attached.
  const [what] = String(found).split('\n').slice(-1);
  throw new Error(`it is damaged: ${what}`);
}

function open(path: string): DatabaseSync {
  using opened = new DisposableStack();
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const sql = opened.use(new DatabaseSync(path));
    sql.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000');
    checkWhole(sql);
    sql.exec('CREATE TABLE IF NOT EXISTS schema (owner TEXT PRIMARY KEY, version INTEGER) STRICT');
    if (path !== ':memory:') reserveRoom(sql);
    sql.exec(`PRAGMA busy_timeout = ${writePatienceMs}`);
    opened.move();
    return sql;
  } catch (cause) {
    throw writeFault(`open the state database "${path}"`, cause);
  }
}
