import type { StatementSync } from 'node:sqlite';
import type { Database } from './database.ts';

/** A record that cannot be read back. It is kept aside, and named, instead of stopping the start. */
export type BrokenRecord = { readonly id: string; readonly reason: string };

/**
 * Records of one kind, by id, as JSON in a table of their own: `id`, `record`.
 * Every write is committed when the call returns.
 */
export class RecordTable<Record extends { readonly id: string }> {
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #all: StatementSync;

  constructor(database: Database, name: string) {
    database.migrate(name, [
      `CREATE TABLE ${name} (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT`,
    ]);
    this.#put = database.sql.prepare(`INSERT OR REPLACE INTO ${name} VALUES (?, ?)`);
    this.#delete = database.sql.prepare(`DELETE FROM ${name} WHERE id = ?`);
    this.#all = database.sql.prepare(`SELECT id, record FROM ${name} ORDER BY rowid`);
  }

  put(record: Record): void {
    this.#put.run(record.id, JSON.stringify(record));
  }

  /** Succeeds also when there is no such record. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  /** Everything readable, oldest first, and what is not. `parse` throws on what it cannot accept. */
  load(parse: (value: unknown) => Record): { records: Record[]; broken: BrokenRecord[] } {
    const records: Record[] = [];
    const broken: BrokenRecord[] = [];
    for (const row of this.#all.all()) {
      try {
        records.push(parse(JSON.parse(String(row['record']))));
      } catch (error) {
        broken.push({ id: String(row['id']), reason: String(error) });
      }
    }
    return { records, broken };
  }
}
