import { mkdirSync } from 'node:fs';
import { Unmounter } from '#linux/unmounter.ts';
import type { Database } from '#store/database.ts';
import { KeyedLock } from '#store/keyed-lock.ts';
import { RecordTable } from '#store/record-table.ts';
import { SingleFlight } from '#store/single-flight.ts';
import { AttachPump } from './container/attach-pump.ts';
import type { Container } from './container/container.ts';
import { containerKey } from './container/container.ts';
import { ExitWatch } from './container/exit.ts';
import type { Engine } from './engine.ts';
import { EventLog } from './events/event-log.ts';
import { watchRecords } from './events/watch-records.ts';
import { createLayout } from './layout.ts';
import { OomLedger } from './container/oom-ledger.ts';
import { recover } from './recovery.ts';
import { Registry } from './registry.ts';
import { SeccompFilters } from './seccomp-filters.ts';
import { type Sandbox, sandboxKey } from './sandbox/sandbox.ts';
import { StatsReaders } from './stats/stats-readers.ts';

/** What the runtime needs from its surroundings. */
export type RuntimeOptions = Pick<
  Engine,
  | 'log'
  | 'thread'
  | 'images'
  | 'network'
  | 'cgroups'
  | 'cgroupParent'
  | 'cgroupDriver'
  | 'monitor'
  | 'init'
  | 'handlers'
  | 'limits'
  | 'blockioClasses'
  | 'cdiSpecDirs'
> & {
  readonly database: Database;
  /** Folder for what does not outlive a reboot. */
  readonly state: string;
  /** Paths on the node that are mounted if they are there, and never made. */
  readonly requiredMounts: ReadonlySet<string>;
};

/**
 * Brings back the pods and containers that an earlier daemon left, and makes their lists true: what
 * ended meanwhile has ended, what was half made is undone.
 */
export async function openRuntime(options: RuntimeOptions): Promise<Engine> {
  const { database, state, requiredMounts, ...surroundings } = options;
  let execs = 0;
  const engine: Engine = {
    ...surroundings,
    layout: createLayout(state),
    unmounter: new Unmounter(options.thread),
    sandboxes: new Registry(
      'sandbox',
      new RecordTable<Sandbox>(database, 'sandboxes', ['id', 'config', 'state', 'cgroup']),
      ({ config }) => sandboxKey(config),
    ),
    containers: new Registry(
      'container',
      new RecordTable<Container>(database, 'containers', ['id', 'sandboxId', 'config', 'state']),
      ({ sandboxId, config }) => containerKey(sandboxId, config),
    ),
    locks: new KeyedLock(),
    runningSandboxes: new SingleFlight(),
    creatingContainers: new SingleFlight(),
    hostPaths: { lookups: new SingleFlight(), required: requiredMounts, state },
    exits: new ExitWatch(),
    events: new EventLog(),
    stats: new StatsReaders(options.cgroups),
    seccompFilters: new SeccompFilters(),
    oomLedger: new OomLedger(),
    attachPump: new AttachPump(),
    nextExecName: () => `exec-${process.pid}-${(execs += 1)}`,
  };
  for (const { path, mode } of engine.layout.folders) mkdirSync(path, { recursive: true, mode });
  watchRecords(engine);
  engine.stats.open(engine.events);
  engine.exits.open(engine);
  await recover(engine);
  return engine;
}

/** Stops watching, and detaches clients. Containers and their monitors go on. */
export async function closeRuntime(engine: Engine): Promise<void> {
  engine.exits.close();
  engine.stats.close();
  await engine.attachPump.close();
}
