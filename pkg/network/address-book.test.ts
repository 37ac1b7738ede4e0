import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { faultCode } from '#errors/fault.ts';
import { type Database, openDatabase } from '#store/database.ts';
import { AddressBook, isHostInterface } from './address-book.ts';
import type { PodPlace } from './address-table.ts';
import type { HostPort } from './host-port.ts';
import { parsePool } from './pool.ts';

const small = ['198.18.0.0/29'];
const dual = ['198.18.0.0/29', 'fd00::/64'];
const mtu = 1500;
const web: HostPort = { protocol: 'tcp', hostIp: '', hostPort: 8080, containerPort: 80 };

let folder: string;
let database: Database;
let book: AddressBook;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-addresses-'));
  database = openDatabase(join(folder, 'state.db'));
  book = new AddressBook(database, parsePool(small));
});

afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

function restart(subnets = small): void {
  database.close();
  database = openDatabase(join(folder, 'state.db'));
  book = new AddressBook(database, parsePool(subnets));
}

function place(id: string, ...ports: HostPort[]): PodPlace {
  return book.reserve({ id, name: `default/${id}`, ports, mtu }).place;
}

/** The primary address. */
function reserve(id: string, ...ports: HostPort[]): string | undefined {
  return place(id, ...ports).addresses[0]?.address;
}

function fault(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

it('AddressBook gives each pod an address, a MAC and an interface of its own', () => {
  const [one, two] = [place('one'), place('two')];
  expect(one).toEqual({
    addresses: [{ address: '198.18.0.2', prefixLength: 29, gateway: '198.18.0.1' }],
    interfaceName: 'eth0',
    hostInterface: expect.toSatisfy(isHostInterface),
    mac: '02:47:c6:12:00:02',
    mtu,
  });
  expect(one.hostInterface).toHaveLength(15);
  expect(two).toMatchObject({ mac: '02:47:c6:12:00:03' });
  expect(two.hostInterface).not.toBe(one.hostInterface);
});

it('AddressBook gives each pod an address of each family, and takes both back', () => {
  restart(dual);
  const { addresses, mac } = place('one');
  expect(addresses.map(({ address }) => address)).toEqual(['198.18.0.2', 'fd00::2']);
  expect(mac).toBe('02:47:c6:12:00:02');
  restart(dual);
  expect(book.find('one')?.place.addresses).toEqual(addresses);
  book.release('one');
  expect(place('two').addresses.map(({ address }) => address)).toEqual(['198.18.0.3', 'fd00::3']);
});

it('AddressBook lets an address rest while others are free, also over a restart', () => {
  expect(reserve('one')).toBe('198.18.0.2');
  book.release('one');
  expect(reserve('two')).toBe('198.18.0.3');
  book.release('two');
  restart();
  expect(['a', 'b', 'c', 'd'].map((id) => reserve(id))).toEqual([
    '198.18.0.4',
    '198.18.0.5',
    '198.18.0.6',
    '198.18.0.2',
  ]);
});

it('AddressBook takes the address that was given back the longest time ago', () => {
  for (const id of ['a', 'b', 'c', 'd', 'e']) reserve(id);
  for (const id of ['d', 'a', 'e', 'b']) book.release(id);
  expect(['f', 'g'].map((id) => reserve(id))).toEqual(['198.18.0.5', '198.18.0.2']);
  restart();
  expect(['h', 'i'].map((id) => reserve(id))).toEqual(['198.18.0.6', '198.18.0.3']);
});

it('AddressBook never gives an address twice, whatever comes and goes', () => {
  restart(['198.18.0.0/28']);
  const held = new Map<string, string>();
  let random = 1;
  for (let round = 0; round < 2000; round++) {
    random = (random * 48_271) % 2_147_483_647;
    const id = `pod${random % 13}`;
    if (held.delete(id)) {
      book.release(id);
      continue;
    }
    const address = reserve(id) ?? '';
    expect([...held.values()]).not.toContain(address);
    held.set(id, address);
  }
});

it('AddressBook says that the subnet is full, and takes from it again after a release', () => {
  for (const id of ['a', 'b', 'c', 'd', 'e']) reserve(id);
  const thrown = fault(() => reserve('f'));
  expect(thrown).toMatchObject({
    message: 'take an address of 198.18.0.0/29: all 5 are in use; network.subnets may name more',
  });
  expect(faultCode(thrown)).toBe('resource-exhausted');
  book.release('c');
  expect(reserve('f')).toBe('198.18.0.4');
});

it('AddressBook goes on in the next subnet', () => {
  restart(['198.18.0.0/30', '198.18.9.0/30']);
  expect([reserve('a'), reserve('b')]).toEqual(['198.18.0.2', '198.18.9.2']);
  expect(fault(() => reserve('c'))).toMatchObject({
    message: expect.stringContaining('of 198.18.0.0/30 and 198.18.9.0/30: all 2 are in use'),
  });
});

it('AddressBook knows the subnets of pods from before they were changed', () => {
  reserve('one');
  restart(['198.18.7.0/24']);
  expect(book.subnets().map(({ cidr }) => cidr)).toEqual(['198.18.7.0/24', '198.18.0.0/29']);
  expect(reserve('two')).toBe('198.18.7.2');
  book.release('one');
  expect(book.subnets().map(({ cidr }) => cidr)).toEqual(['198.18.7.0/24']);
});

it('AddressBook forgets what was given back long ago', () => {
  restart(['198.18.0.0/16']);
  for (let round = 0; round < 4200; round++) {
    reserve('one');
    book.release('one');
  }
  const rows = database.sql.prepare('SELECT count(*) AS count FROM released_addresses').get();
  expect(rows).toEqual({ count: 4096 });
});

it('AddressBook finds again after a restart what it gave', () => {
  place('one', web);
  const given = book.find('one');
  restart();
  expect(book.find('one')).toEqual(given);
  expect(reserve('two')).toBe('198.18.0.3');
});

it('AddressBook names the pod that has a host port, and takes nothing', () => {
  place('one', web);
  expect(() => place('two', { ...web, hostIp: '127.0.0.1' })).toThrow(
    'map host port 127.0.0.1:8080/tcp: pod "default/one" (one) has it',
  );
  expect(book.find('two')).toBeUndefined();
  book.release('one');
  place('two', web);
});

it('AddressBook refuses a pod that asks for one host port twice', () => {
  expect(() => place('one', web, { ...web, containerPort: 81 })).toThrow(
    'map host port 8080/tcp: the pod asks for it twice',
  );
});

it('the database itself refuses to give an address twice', () => {
  const other = new AddressBook(database, parsePool(small));
  reserve('one');
  // The other one read the table before, and so does not know of it.
  expect(() => other.reserve({ id: 'two', name: '', ports: [], mtu })).toThrow(
    'UNIQUE constraint failed',
  );
});

it('AddressBook takes over what a daemon of one address a pod wrote', () => {
  database.close();
  rmSync(join(folder, 'state.db'));
  database = openDatabase(join(folder, 'state.db'));
  database.sql.exec(`INSERT INTO schema VALUES ('network', 1);
    CREATE TABLE pod_addresses (id TEXT PRIMARY KEY, address TEXT NOT NULL UNIQUE,
      prefix_length INTEGER NOT NULL, gateway TEXT NOT NULL, host_interface TEXT NOT NULL UNIQUE,
      mac TEXT NOT NULL, mtu INTEGER NOT NULL) STRICT;
    CREATE TABLE pod_host_ports (
      pod_id TEXT NOT NULL REFERENCES pod_addresses (id) ON DELETE CASCADE, protocol TEXT NOT NULL,
      host_ip TEXT NOT NULL, host_port INTEGER NOT NULL, container_port INTEGER NOT NULL,
      PRIMARY KEY (protocol, host_ip, host_port)) STRICT;
    CREATE TABLE pod_address_cursor (subnet TEXT PRIMARY KEY, last_index INTEGER NOT NULL) STRICT;
    INSERT INTO pod_addresses VALUES
      ('one', '198.18.0.2', 29, '198.18.0.1', 'gantry123456789', '02:47:c6:12:00:02', 1400);
    INSERT INTO pod_host_ports VALUES ('one', 'tcp', '0.0.0.0', 8080, 80)`);
  book = new AddressBook(database, parsePool(small));
  expect(book.find('one')).toEqual({
    id: 'one',
    name: '',
    place: {
      addresses: [{ address: '198.18.0.2', prefixLength: 29, gateway: '198.18.0.1' }],
      interfaceName: 'eth0',
      hostInterface: 'gantry123456789',
      mac: '02:47:c6:12:00:02',
      mtu: 1400,
    },
    ports: [{ ...web, hostIp: '0.0.0.0' }],
  });
  book.release('one');
  restart();
  expect(book.all()).toEqual([]);
});
