import { Fault } from '#errors/fault.ts';
import type { BrokenRecord, RecordTable } from '#store/record-table.ts';

type Kind = 'sandbox' | 'container';

/** Is told of a change: what was there before it, and after it. One of them is. */
export type Watcher<Item> = (
  ...change: [before: Item | undefined, after: Item] | [before: Item, after: undefined]
) => void;

/**
 * All objects of one kind, in memory and in the database alike: a change is committed before it can
 * be seen, but for an end. Reading takes no lock, so that status calls never wait for a slow operation.
 */
export class Registry<Item extends { readonly id: string }> {
  readonly #kind: Kind;
  readonly #table: RecordTable<Item>;
  readonly #keyOf: (item: Item) => string;
  readonly #items = new Map<string, Item>();
  readonly #idsByKey = new Map<string, string>();
  #watcher: Watcher<Item> = () => {};

  constructor(kind: Kind, table: RecordTable<Item>, keyOf: (item: Item) => string) {
    this.#kind = kind;
    this.#table = table;
    this.#keyOf = keyOf;
  }

  /** Reads what an earlier daemon left. Records that cannot be read are returned, and kept. */
  load(): readonly BrokenRecord[] {
    const { records, broken } = this.#table.load();
    for (const item of records) this.#remember(item);
    return broken;
  }

  /** Has the watcher told of each change from now on, when it is committed. There is one. */
  watch(watcher: Watcher<Item>): void {
    this.#watcher = watcher;
  }

  put(item: Item): void {
    this.#table.put(item);
    this.#take(item);
  }

  /**
   * As `put`, for an end: that is so whether it can be written down or not, and a disk that takes nothing
   * any more must not keep anything running. The next start finds it out again. `unwritten` is told why.
   */
  putEnd(item: Item, unwritten: (error: unknown) => void): void {
    try {
      this.#table.put(item);
    } catch (error) {
      unwritten(error);
    }
    this.#take(item);
  }

  /** Forgets the item and frees its key. */
  delete(item: Item): void {
    const before = this.#items.get(item.id);
    this.#table.delete(item.id);
    this.#items.delete(item.id);
    if (this.#idsByKey.get(this.#keyOf(item)) === item.id) {
      this.#idsByKey.delete(this.#keyOf(item));
    }
    if (before !== undefined) this.#watcher(before, undefined);
  }

  all(): readonly Item[] {
    return [...this.#items.values()];
  }

  byKey(key: string): Item | undefined {
    const id = this.#idsByKey.get(key);
    return id === undefined ? undefined : this.#items.get(id);
  }

  /** The item with this id or, where no other begins so, this beginning of an id. */
  find(idOrPrefix: string): Item | undefined {
    const exact = this.#items.get(idOrPrefix);
    if (exact !== undefined || idOrPrefix === '') return exact;
    const matches = this.all().filter((item) => item.id.startsWith(idOrPrefix));
    if (matches.length > 1) {
      throw new Fault(
        'invalid-argument',
        `${this.#kind} id "${idOrPrefix}" is ambiguous: ${matches.length} begin so`,
      );
    }
    return matches[0];
  }

  get(idOrPrefix: string): Item {
    const item = this.find(idOrPrefix);
    if (item === undefined) throw new Fault('not-found', `no ${this.#kind} "${idOrPrefix}"`);
    return item;
  }

  #take(item: Item): void {
    const before = this.#items.get(item.id);
    this.#remember(item);
    this.#watcher(before, item);
  }

  #remember(item: Item): void {
    this.#items.set(item.id, item);
    this.#idsByKey.set(this.#keyOf(item), item.id);
  }
}
