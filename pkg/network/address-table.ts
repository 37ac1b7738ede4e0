import type { StatementSync } from 'node:sqlite';
import type { Database } from '#store/database.ts';
import { type HostPort, protocols } from './host-port.ts';
import type { PodIp } from './pool.ts';

/** What the interface is called in every pod. */
export const interfaceName = 'eth0';

/** A pod's place in the network. */
export type PodPlace = {
  /** One of each family; the first is the pod's primary one. */
  readonly addresses: readonly PodIp[];
  readonly interfaceName: typeof interfaceName;
  /** The other end of the cable; no two pods ever have had the same. */
  readonly hostInterface: string;
  readonly mac: string;
  readonly mtu: number;
};

/** What one pod holds. */
export type Holding = {
  readonly id: string;
  /** By which an operator knows the pod: `default/web-0`. */
  readonly name: string;
  readonly place: PodPlace;
  readonly ports: readonly HostPort[];
};

const schema = [
  `CREATE TABLE pod_addresses (
     id TEXT PRIMARY KEY,
     address TEXT NOT NULL UNIQUE,
     prefix_length INTEGER NOT NULL,
     gateway TEXT NOT NULL,
     host_interface TEXT NOT NULL UNIQUE,
     mac TEXT NOT NULL,
     mtu INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE pod_host_ports (
     pod_id TEXT NOT NULL REFERENCES pod_addresses (id) ON DELETE CASCADE,
     protocol TEXT NOT NULL,
     host_ip TEXT NOT NULL,
     host_port INTEGER NOT NULL,
     container_port INTEGER NOT NULL,
     PRIMARY KEY (protocol, host_ip, host_port)
   ) STRICT;
   CREATE TABLE pod_address_cursor (subnet TEXT PRIMARY KEY, last_index INTEGER NOT NULL) STRICT`,
  // Several addresses for each pod; the order in which addresses were given back.
  `CREATE TABLE pod_links (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     host_interface TEXT NOT NULL UNIQUE,
     mac TEXT NOT NULL,
     mtu INTEGER NOT NULL
   ) STRICT;
   INSERT INTO pod_links SELECT id, '', host_interface, mac, mtu FROM pod_addresses;
   CREATE TABLE new_addresses (
     pod_id TEXT NOT NULL REFERENCES pod_links (id) ON DELETE CASCADE,
     position INTEGER NOT NULL,
     address TEXT NOT NULL UNIQUE,
     prefix_length INTEGER NOT NULL,
     gateway TEXT NOT NULL,
     PRIMARY KEY (pod_id, position)
   ) STRICT;
   INSERT INTO new_addresses SELECT id, 0, address, prefix_length, gateway FROM pod_addresses;
   CREATE TABLE new_ports (
     pod_id TEXT NOT NULL REFERENCES pod_links (id) ON DELETE CASCADE,
     protocol TEXT NOT NULL,
     host_ip TEXT NOT NULL,
     host_port INTEGER NOT NULL,
     container_port INTEGER NOT NULL,
     PRIMARY KEY (protocol, host_ip, host_port)
   ) STRICT;
   INSERT INTO new_ports SELECT * FROM pod_host_ports;
   DROP TABLE pod_host_ports;
   DROP TABLE pod_addresses;
   DROP TABLE pod_address_cursor;
   ALTER TABLE new_addresses RENAME TO pod_addresses;
   ALTER TABLE new_ports RENAME TO pod_host_ports;
   CREATE TABLE released_addresses (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     address TEXT NOT NULL
   ) STRICT`,
];

type Row = NonNullable<ReturnType<StatementSync['get']>>;

/** The holdings in the database. A write is committed, as a whole, when the call returns. */
export class AddressTable {
  readonly #database: Database;
  readonly #restingCount: number;
  readonly #insertLink: StatementSync;
  readonly #insertAddress: StatementSync;
  readonly #insertPort: StatementSync;
  readonly #delete: StatementSync;
  readonly #insertReleased: StatementSync;
  readonly #forgetReleased: StatementSync;

  /** `restingCount` is how many addresses that were given back are remembered. */
  constructor(database: Database, restingCount: number) {
    database.migrate('network', schema);
    const prepare = (sql: string): StatementSync => database.sql.prepare(sql);
    this.#database = database;
    this.#restingCount = restingCount;
    this.#insertLink = prepare('INSERT INTO pod_links VALUES (?, ?, ?, ?, ?)');
    this.#insertAddress = prepare('INSERT INTO pod_addresses VALUES (?, ?, ?, ?, ?)');
    this.#insertPort = prepare('INSERT INTO pod_host_ports VALUES (?, ?, ?, ?, ?)');
    this.#delete = prepare('DELETE FROM pod_links WHERE id = ?');
    this.#insertReleased = prepare('INSERT INTO released_addresses (address) VALUES (?)');
    this.#forgetReleased = prepare('DELETE FROM released_addresses WHERE number <= ?');
  }

  load(): Holding[] {
    const { sql } = this.#database;
    const addresses = sql.prepare('SELECT * FROM pod_addresses WHERE pod_id = ? ORDER BY position');
    const ports = sql.prepare('SELECT * FROM pod_host_ports WHERE pod_id = ?');
    const rows = sql.prepare('SELECT * FROM pod_links ORDER BY rowid').all();
    return rows.map((row) => {
      const id = String(row['id']);
      return {
        id,
        name: String(row['name']),
        place: readPlace(row, addresses.all(id)),
        ports: ports.all(id).map(readPort),
      };
    });
  }

  /** The addresses that were given back last, the earliest first; each once. */
  loadReleased(): string[] {
    const rows = this.#database.sql
      .prepare('SELECT address FROM released_addresses GROUP BY address ORDER BY max(number)')
      .all();
    return rows.map((row) => String(row['address']));
  }

  insert({ id, name, place, ports }: Holding): void {
    const { addresses, hostInterface, mac, mtu } = place;
    this.#database.transaction(() => {
      this.#insertLink.run(id, name, hostInterface, mac, mtu);
      for (const [position, { address, prefixLength, gateway }] of addresses.entries()) {
        this.#insertAddress.run(id, position, address, prefixLength, gateway);
      }
      for (const { protocol, hostIp, hostPort, containerPort } of ports) {
        this.#insertPort.run(id, protocol, hostIp, hostPort, containerPort);
      }
    });
  }

  /** Its addresses and ports go with it; that `address` was given back is remembered for a while. */
  release(id: string, address: string | undefined): void {
    this.#database.transaction(() => {
      this.#delete.run(id);
      if (address === undefined) return;
      const { lastInsertRowid } = this.#insertReleased.run(address);
      this.#forgetReleased.run(Number(lastInsertRowid) - this.#restingCount);
    });
  }
}

function readPlace(row: Row, addresses: readonly Row[]): PodPlace {
  return {
    addresses: addresses.map((each) => ({
      address: String(each['address']),
      prefixLength: Number(each['prefix_length']),
      gateway: String(each['gateway']),
    })),
    interfaceName,
    hostInterface: String(row['host_interface']),
    mac: String(row['mac']),
    mtu: Number(row['mtu']),
  };
}

function readPort(row: Row): HostPort {
  return {
    protocol: protocols.find((name) => name === row['protocol']) ?? 'tcp',
    hostIp: String(row['host_ip']),
    hostPort: Number(row['host_port']),
    containerPort: Number(row['container_port']),
  };
}
