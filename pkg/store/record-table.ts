import type { StatementSync } from 'node:sqlite';
import { describe } from '#errors/fault.ts';
import { type Database, writeFault } from './database.ts';

/** A record that cannot be read back. It is kept aside, and named, instead of stopping the start. */
export type BrokenRecord = { readonly id: string; readonly reason: string };

/**
 * Records of one kind, by id, as JSON in a table of their own: `id`, `record`.
 * Every write is committed when the call returns.
 */
export class RecordTable<Item extends { readonly id: string }> {
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #all: StatementSync;
  readonly #fields: readonly string[];
  readonly #place: string;

  /** `fields` are those without which a record cannot be used. */
  constructor(database: Database, name: string, fields: readonly (keyof Item & string)[]) {
    this.#fields = fields;
    this.#place = `the state database "${database.sql.location() ?? ':memory:'}"`;
    database.migrate(name, [
      `CREATE TABLE ${name} (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT`,
    ]);
    this.#put = database.sql.prepare(`INSERT OR REPLACE INTO ${name} VALUES (?, ?)`);
    this.#delete = database.sql.prepare(`DELETE FROM ${name} WHERE id = ?`);
    this.#all = database.sql.prepare(`SELECT id, record FROM ${name} ORDER BY rowid`);
  }

  put(record: Item): void {
    try {
      this.#put.run(record.id, JSON.stringify(record));
    } catch (cause) {
      throw writeFault(`write the record of "${record.id}" to ${this.#place}`, cause);
    }
  }

  /** Succeeds also when there is no such record. */
  delete(id: string): void {
    try {
      this.#delete.run(id);
    } catch (cause) {
      throw writeFault(`delete the record of "${id}" from ${this.#place}`, cause);
    }
  }

  /** Everything readable, oldest first, and what is not. */
  load(): { records: Item[]; broken: BrokenRecord[] } {
    const records: Item[] = [];
    const broken: BrokenRecord[] = [];
    for (const row of this.#all.all()) {
      const id = String(row['id']);
      try {
        records.push(this.#parse(id, String(row['record'])));
      } catch (error) {
        broken.push({ id, reason: describe(error) });
      }
    }
    return { records, broken };
  }

  /** Only this class writes the table, so a record with its fields is one of ours. */
  #parse(id: string, text: string): Item {
    const record: Record<string, unknown> = JSON.parse(text);
    const missing = this.#fields.filter((field) => !(field in record));
    if (missing.length > 0) throw new Error(`it has no ${missing.join(', ')}`);
    if (record['id'] !== id) throw new Error('it is filed under another id');
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked above
    return record as Item;
  }
}
