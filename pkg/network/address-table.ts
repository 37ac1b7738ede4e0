import type { StatementSync } from 'node:sqlite';
import type { Database } from '#store/database.ts';
import { type HostPort, protocols } from './host-port.ts';

/** What the interface is called in every pod. */
export const interfaceName = 'eth0';

/** A pod's place in the network. */
export type PodAddress = {
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly interfaceName: typeof interfaceName;
  /** The other end of the cable; no two pods ever have had the same. */
  readonly hostInterface: string;
  readonly mac: string;
  readonly mtu: number;
};

/** What one pod holds. */
export type Holding = {
  readonly id: string;
  readonly place: PodAddress;
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
];

type Row = ReturnType<StatementSync['get']>;

/** The holdings in the database. A write is committed, as a whole, when the call returns. */
export class AddressTable {
  readonly #database: Database;
  readonly #insertPlace: StatementSync;
  readonly #insertPort: StatementSync;
  readonly #moveCursor: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: Database) {
    database.migrate('network', schema);
    const prepare = (sql: string): StatementSync => database.sql.prepare(sql);
    this.#database = database;
    this.#insertPlace = prepare('INSERT INTO pod_addresses VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.#insertPort = prepare('INSERT INTO pod_host_ports VALUES (?, ?, ?, ?, ?)');
    this.#moveCursor = prepare('INSERT OR REPLACE INTO pod_address_cursor VALUES (?, ?)');
    this.#delete = prepare('DELETE FROM pod_addresses WHERE id = ?');
  }

  load(): Holding[] {
    const rows = this.#database.sql.prepare('SELECT * FROM pod_addresses ORDER BY rowid').all();
    const ports = this.#database.sql.prepare('SELECT * FROM pod_host_ports WHERE pod_id = ?');
    return rows.map((row) => {
      const id = String(row['id']);
      return { id, place: readPlace(row), ports: ports.all(id).map(readPort) };
    });
  }

  /** Where in a subnet the last address was taken; -1 when none was. */
  lastIndex(subnet: string): number {
    const cursor = this.#database.sql.prepare(
      'SELECT last_index FROM pod_address_cursor WHERE subnet = ?',
    );
    return Number(cursor.get(subnet)?.['last_index'] ?? -1);
  }

  insert({ id, place, ports }: Holding, cursor: { subnet: string; index: number }): void {
    const { address, prefixLength, gateway, hostInterface, mac, mtu } = place;
    this.#database.transaction(() => {
      this.#insertPlace.run(id, address, prefixLength, gateway, hostInterface, mac, mtu);
      for (const { protocol, hostIp, hostPort, containerPort } of ports) {
        this.#insertPort.run(id, protocol, hostIp, hostPort, containerPort);
      }
      this.#moveCursor.run(cursor.subnet, cursor.index);
    });
  }

  /** Its ports go with it. */
  delete(id: string): void {
    this.#delete.run(id);
  }
}

function readPlace(row: NonNullable<Row>): PodAddress {
  return {
    address: String(row['address']),
    prefixLength: Number(row['prefix_length']),
    gateway: String(row['gateway']),
    interfaceName,
    hostInterface: String(row['host_interface']),
    mac: String(row['mac']),
    mtu: Number(row['mtu']),
  };
}

function readPort(row: NonNullable<Row>): HostPort {
  return {
    protocol: protocols.find((name) => name === row['protocol']) ?? 'tcp',
    hostIp: String(row['host_ip']),
    hostPort: Number(row['host_port']),
    containerPort: Number(row['container_port']),
  };
}
