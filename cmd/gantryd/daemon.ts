import { chmodSync, mkdirSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { type Cgroupfs, openCgroupfs } from 'cgroupfs-ts';
import { serveAdmin } from '#admin/server.ts';
import { Fault } from '#errors/fault.ts';
import { openImages } from '#image/images.ts';
import { boundingSet } from '#linux/capabilities.ts';
import { tryLockFile } from '#linux/file-lock.ts';
import { minOomScoreAdj } from '#linux/oom-score.ts';
import { programPath } from '#linux/program.ts';
import { notifyServiceManager } from '#linux/sd-notify.ts';
import { openSystemThread } from '#linux/system-thread.ts';
import type { Log } from '#log/log.ts';
import { cgroupAbilities } from '#runtime/cgroup-abilities.ts';
import type { NodeLimits } from '#runtime/spec/spec.ts';
import { closeRuntime, openRuntime } from '#runtime/runtime.ts';
import { serveCri } from '#server/server.ts';
import { openDatabase } from '#store/database.ts';
import type { Config } from './config.ts';
import { openConfinement } from './confinement.ts';
import { handlerSnapshotters, openHandlers } from './handlers.ts';
import { keepMemorySmall } from './memory-keeper.ts';
import { startMetrics } from './metrics.ts';
import { allowRlimits, blockioClasses } from './resources.ts';
import { openNetworks } from './networks.ts';
import { findProgram, requireProgram } from './programs.ts';
import { openStreaming, streamTargets } from './streaming.ts';
import { openTracing } from './tracing.ts';

export type Daemon = {
  /** Stops serving and lets go of everything. Containers and their monitors go on. */
  stop(): Promise<void>;
};

export type DaemonOptions = {
  readonly config: Config;
  readonly log: Log;
  readonly version: string;
  /** The service manager's socket for readiness, if one started us. */
  readonly notifySocket: string | undefined;
  /** `HTTPS_PROXY`, `NO_PROXY` and their kin. */
  readonly proxyEnvironment: Readonly<Record<string, string>>;
};

/** How long calls under way may take to their end when the daemon stops. */
const stopGraceMs = 5_000;

/** Builds the daemon, lowest layer first, brings back what an earlier one left, and begins to serve. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, log, version, notifySocket } = options;
  await using opened = new AsyncDisposableStack();
  claimFolders(config, opened);
  const tracer = await openTracing(options, opened);
  const parts = await openParts(options, opened);
  const about = { log, tracer, version, config };
  const targets = streamTargets(parts.engine);
  const { listen } = config.metrics;
  const metrics = await startMetrics({ ...about, ...parts, listen }, opened);
  const admin = await serveAdmin({ ...about, metrics, targets, ...parts }, config.admin_listen);
  opened.defer(() => admin.close(stopGraceMs));
  const streaming = await openStreaming(parts.engine, { config, log });
  opened.defer(() => streaming.close(stopGraceMs));
  const server = await serveCri({ ...about, streaming, ...parts }, config.listen);
  opened.defer(() => server.close(stopGraceMs));
  opened.use(keepMemorySmall());
  flushCompileCache();
  if (notifySocket !== undefined) notifyServiceManager(notifySocket, 'READY=1');
  log.info({ listen: config.listen, version, root: config.root, state: config.state }, 'serving');
  const running = opened.move();
  return { stop: () => running.disposeAsync() };
}

function claimFolders({ root, state }: Config, opened: AsyncDisposableStack): void {
  for (const [folder, mode] of [
    // The files of images are not for the node's users; the socket, in the state folder, may be.
    [root, 0o700],
    [state, 0o711],
  ] as const) {
    prepareFolder(folder, mode);
    opened.use(lockFolder(folder));
  }
}

function prepareFolder(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, mode);
  } catch (cause) {
    throw new Fault('failed-precondition', `use the folder "${folder}"`, { cause });
  }
}

/** The three siblings: images, network, and the runtime, which works with both. */
async function openParts(
  { config, log, proxyEnvironment }: DaemonOptions,
  opened: AsyncDisposableStack,
) {
  const { root, state, image } = config;
  const database = opened.adopt(openDatabase(join(root, 'gantry.db')), (it) => it.close());
  const thread = opened.adopt(openSystemThread(), (it) => it.close());
  const images = opened.adopt(
    await openImages({
      root,
      database,
      log,
      proxyEnvironment,
      snapshotter: image.snapshotter,
      otherSnapshotters: handlerSnapshotters(config),
      certsDirs: image.certs_dirs,
      authFiles: image.auth_files,
      pinned: image.pinned,
      maxLayerBytes: image.max_layer_bytes,
    }),
    (it) => it.close(),
  );
  const network = opened.adopt(await openNetworks(config, { database, thread, log }), (it) =>
    it.close(),
  );
  const cgroups = openCgroupfs();
  const engine = opened.adopt(
    await openRuntime({
      database,
      log,
      thread,
      images,
      network,
      cgroups,
      state,
      cgroupParent: config.cgroup_parent,
      cgroupDriver: config.runtime.cgroup_driver,
      monitor: requireProgram(config.runtime.monitor, programPath, 'runtime.monitor'),
      init: findProgram(config.runtime.init, programPath) ?? config.runtime.init,
      handlers: await openHandlers(config, log),
      cdiSpecDirs: config.runtime.cdi_spec_dirs,
      requiredMounts: new Set(config.runtime.required_mounts),
      limits: await nodeLimits(config, log, cgroups),
      blockioClasses: blockioClasses(config.runtime),
    }),
    closeRuntime,
  );
  return { images, network, engine };
}

async function nodeLimits({ runtime }: Config, log: Log, cgroups: Cgroupfs): Promise<NodeLimits> {
  return {
    boundingSet: boundingSet(),
    minOomScoreAdj: minOomScoreAdj(),
    cgroups: cgroupAbilities(cgroups.mounts),
    rlimits: allowRlimits(runtime, log),
    confinement: await openConfinement(log),
  };
}

function lockFolder(folder: string): Disposable {
  const lock = tryLockFile(join(folder, 'lock'));
  if (lock !== undefined) return lock;
  throw new Fault(
    'failed-precondition',
    `another gantryd uses "${folder}"; give this one its own --root and --state`,
  );
}
