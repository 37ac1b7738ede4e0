import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { faultCode } from '#errors/fault.ts';
import { type Database, openDatabase } from '#store/database.ts';
import { AddressBook, isHostInterface } from './address-book.ts';
import type { HostPort } from './host-port.ts';
import { parseSubnet } from './subnet.ts';

const subnet = parseSubnet('198.18.0.0/29');
const mtu = 1500;
const web: HostPort = { protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 };

let folder: string;
let database: Database;
let book: AddressBook;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-addresses-'));
  database = openDatabase(join(folder, 'state.db'));
  book = new AddressBook(database, subnet);
});

afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

function restart(): void {
  database.close();
  database = openDatabase(join(folder, 'state.db'));
  book = new AddressBook(database, subnet);
}

function reserve(id: string): string {
  return book.reserve(id, [], mtu).place.address;
}

it('AddressBook gives each pod an address, a MAC and an interface of its own', () => {
  const [one, two] = [book.reserve('one', [], mtu).place, book.reserve('two', [], mtu).place];
  expect(one).toEqual({
    address: '198.18.0.2',
    prefixLength: 29,
    gateway: '198.18.0.1',
    interfaceName: 'eth0',
    hostInterface: expect.toSatisfy(isHostInterface),
    mac: '02:47:c6:12:00:02',
    mtu,
  });
  expect(one.hostInterface).toHaveLength(15);
  expect(two).toMatchObject({ address: '198.18.0.3', mac: '02:47:c6:12:00:03' });
  expect(two.hostInterface).not.toBe(one.hostInterface);
});

it('AddressBook lets an address rest while others are free, also over a restart', () => {
  expect(reserve('one')).toBe('198.18.0.2');
  book.release('one');
  expect(reserve('two')).toBe('198.18.0.3');
  book.release('two');
  restart();
  expect([reserve('a'), reserve('b'), reserve('c'), reserve('d')]).toEqual([
    '198.18.0.4',
    '198.18.0.5',
    '198.18.0.6',
    '198.18.0.2',
  ]);
});

it('AddressBook says that the subnet is full, and takes from it again after a release', () => {
  for (const id of ['a', 'b', 'c', 'd', 'e']) reserve(id);
  let thrown: unknown;
  try {
    reserve('f');
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ message: 'take an address of 198.18.0.0/29: all 5 are in use' });
  expect(faultCode(thrown)).toBe('resource-exhausted');
  book.release('c');
  expect(reserve('f')).toBe('198.18.0.4');
});

it('AddressBook finds again after a restart what it gave', () => {
  const given = book.reserve('one', [web], mtu);
  restart();
  expect(book.find('one')).toEqual(given);
  expect(reserve('two')).not.toBe(given.place.address);
});

it('AddressBook names the pod that has a host port, and takes nothing', () => {
  book.reserve('one', [web], mtu);
  expect(() => book.reserve('two', [{ ...web, hostIp: '127.0.0.1' }], mtu)).toThrow(
    'map host port 127.0.0.1:8080/tcp: pod "one" has it',
  );
  expect(book.find('two')).toBeUndefined();
  book.release('one');
  book.reserve('two', [web], mtu);
});

it('AddressBook refuses a pod that asks for one host port twice', () => {
  expect(() => book.reserve('one', [web, { ...web, containerPort: 81 }], mtu)).toThrow(
    'map host port 8080/tcp: the pod asks for it twice',
  );
});

it('the database itself refuses to give an address twice', () => {
  const other = new AddressBook(database, subnet);
  reserve('one');
  // The other one read the table before, and so does not know of it.
  expect(() => other.reserve('two', [], mtu)).toThrow('UNIQUE constraint failed');
});
