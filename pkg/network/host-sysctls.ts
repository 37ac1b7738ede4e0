import type { SystemThread } from '#linux/system-thread.ts';
import type { Database } from '#store/database.ts';

/** A setting of the host, by its path below /proc/sys. */
export type Setting = { readonly path: string; readonly value: string };

/**
 * Settings of the host that the network needs. What they were before is in the database before they
 * are changed, so that they can be put back, also by a later daemon.
 */
export class HostSysctls {
  readonly #database: Database;
  readonly #thread: SystemThread;

  constructor(database: Database, thread: SystemThread) {
    database.migrate('network_sysctls', [
      `CREATE TABLE network_sysctls (
         number INTEGER PRIMARY KEY AUTOINCREMENT,
         path TEXT NOT NULL UNIQUE,
         before TEXT NOT NULL,
         value TEXT NOT NULL
       ) STRICT`,
    ]);
    this.#database = database;
    this.#thread = thread;
  }

  /** The value of each; undefined for what this kernel has not. */
  read(paths: readonly string[]): Promise<(string | undefined)[]> {
    return this.#thread.run('readSysctls', paths);
  }

  /** Sets those that are otherwise, in this order. What the kernel has not is passed over. */
  async set(settings: readonly Setting[]): Promise<void> {
    const present = await this.read(settings.map(({ path }) => path));
    for (const [at, { path, value }] of settings.entries()) {
      const before = present[at];
      if (before === undefined || before === value) continue;
      this.#database.sql
        .prepare('INSERT OR IGNORE INTO network_sysctls (path, before, value) VALUES (?, ?, ?)')
        .run(path, before, value);
      await this.#thread.run('setSysctl', { path, value });
    }
  }

  /** Puts back what was changed, the last first, unless somebody else has changed it since. */
  async undo(): Promise<Setting[]> {
    const { sql } = this.#database;
    const undone: Setting[] = [];
    for (const row of sql.prepare('SELECT * FROM network_sysctls ORDER BY number DESC').all()) {
      const [path, before] = [String(row['path']), String(row['before'])];
      const [present] = await this.read([path]);
      if (present === row['value']) {
        await this.#thread.run('setSysctl', { path, value: before });
        undone.push({ path, value: before });
      }
      sql.prepare('DELETE FROM network_sysctls WHERE path = ?').run(path);
    }
    return undone;
  }
}
