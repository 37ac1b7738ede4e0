import { expect, it } from 'vitest';
import { openDatabase } from '#store/database.ts';
import { RecordTable } from '#store/record-table.ts';
import { Registry } from './registry.ts';

type Thing = { readonly id: string; readonly name: string };

function open(database = openDatabase(':memory:')) {
  const table = new RecordTable<Thing>(database, 'things', ['id', 'name']);
  return { database, registry: new Registry('sandbox', table, ({ name }) => name) };
}

it('finds by id, by an unambiguous beginning of it, and by key', () => {
  const { registry } = open();
  registry.put({ id: 'abc1', name: 'one' });
  registry.put({ id: 'abd2', name: 'two' });
  expect(registry.find('abc')?.name).toBe('one');
  expect(registry.byKey('two')?.id).toBe('abd2');
  expect(() => registry.find('ab')).toThrow('ambiguous');
  expect(registry.find('')).toBeUndefined();
  expect(() => registry.get('zzz')).toThrow('no sandbox "zzz"');
});

it('knows of an end that cannot be written down, and of nothing else', () => {
  const { database, registry } = open();
  const changes: unknown[] = [];
  registry.put({ id: 'a', name: 'runs' });
  registry.watch((...change) => changes.push(change));
  database.close();
  expect(() => registry.put({ id: 'a', name: 'begins' })).toThrow('write the record of "a"');
  expect(registry.get('a').name).toBe('runs');
  const reasons: unknown[] = [];
  const ended = { id: 'a', name: 'ended' };
  registry.putEnd(ended, (error) => reasons.push(error));
  expect(registry.get('a')).toBe(ended);
  expect(changes).toEqual([[{ id: 'a', name: 'runs' }, ended]]);
  expect(reasons).toHaveLength(1);
});

it('brings back what was put, and names what cannot be read', () => {
  const { database, registry } = open();
  registry.put({ id: 'a', name: 'first' });
  registry.put({ id: 'a', name: 'second' });
  registry.put({ id: 'gone', name: 'third' });
  registry.delete({ id: 'gone', name: 'third' });
  database.sql.exec(`INSERT INTO things VALUES ('bad', '{'), ('half', '{"id":"half"}')`);
  const again = open(database).registry;
  expect(again.load().map(({ id }) => id)).toEqual(['bad', 'half']);
  expect(again.all()).toEqual([{ id: 'a', name: 'second' }]);
});

it('frees the key with the item that holds it', () => {
  const { registry } = open();
  registry.put({ id: 'a', name: 'key' });
  registry.delete({ id: 'a', name: 'key' });
  expect(registry.byKey('key')).toBeUndefined();
});
