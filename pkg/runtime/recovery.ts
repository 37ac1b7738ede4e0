import { mountPointsUnder } from '#linux/mount.ts';
import { isAlive } from '#linux/process.ts';
import { now } from './clock.ts';
import type { Container } from './container/container.ts';
import { endLeftExecs } from './container/exec-recovery.ts';
import { clearProcesses } from './container/exit.ts';
import { containerOfOwner } from './container/image-volumes.ts';
import { releaseContainer } from './container/remove.ts';
import type { Engine } from './engine.ts';
import { killMonitorOf } from './monitor.ts';
import { forgetSandbox, releaseSandbox } from './sandbox/release.ts';
import type { Sandbox } from './sandbox/sandbox.ts';

/**
 * Makes the records true again after the daemon, or the node, went down at any moment. Nothing here
 * stops the start: what cannot be put right keeps its record, and removing it tries again.
 */
export async function recover(engine: Engine): Promise<void> {
  for (const [kind, broken] of [
    ['sandbox', engine.sandboxes.load()],
    ['container', engine.containers.load()],
  ] as const) {
    for (const record of broken) engine.log.error({ ...record }, `a ${kind} record cannot be read`);
  }
  const containers = engine.containers
    .all()
    .map((container) =>
      attempt(engine, { containerId: container.id }, () => recoverContainer(engine, container)),
    );
  await Promise.all(containers);
  const mounts = new Set(mountPointsUnder(engine.layout.state));
  // One whose network cannot be taken down must not keep the others waiting.
  const sandboxes = engine.sandboxes
    .all()
    .map((sandbox) =>
      attempt(engine, { sandboxId: sandbox.id }, () => recoverSandbox(engine, sandbox, mounts)),
    );
  await Promise.all(sandboxes);
  await attempt(engine, {}, () =>
    engine.network.reconcile(new Set(engine.sandboxes.all().map(({ id }) => id))),
  );
  for (const id of engine.images.rootfsOwners()) {
    if (engine.containers.find(containerOfOwner(id)) !== undefined) continue;
    await attempt(engine, { containerId: id }, () => engine.images.releaseRootfs(id));
  }
}

async function recoverContainer(engine: Engine, container: Container): Promise<void> {
  switch (container.state.kind) {
    case 'creating':
      return releaseContainer(engine, container);
    case 'starting':
      return endInterruptedStart(engine, container);
    case 'running':
      await engine.oomLedger.open(engine, container);
      if (isAlive(container.state.process)) return endLeftExecs(engine, container);
      await engine.exits.wait(engine, container.id, { timeoutMs: 5_000 });
      return;
    case 'created':
    case 'exited':
  }
}

/** Nobody knows how far it came, and its caller has been told that it failed. */
async function endInterruptedStart(engine: Engine, container: Container): Promise<void> {
  // Else it goes on, however long the OCI runtime takes, and makes what nobody will start.
  killMonitorOf(engine.layout, container.id);
  await clearProcesses(engine, container);
  const message = 'gantryd was ended while it started the container';
  const state = {
    kind: 'exited',
    finishedAt: now(),
    exitCode: 128,
    reason: 'StartError',
    message,
  } as const;
  engine.containers.put({ ...container, state });
}

async function recoverSandbox(
  engine: Engine,
  sandbox: Sandbox,
  mounts: ReadonlySet<string>,
): Promise<void> {
  const { state, init } = sandbox;
  const isWhole =
    pinsOf(engine, sandbox).every((path) => mounts.has(path)) &&
    (init === undefined || isAlive(init));
  if (state === 'ready' && isWhole) return;
  engine.sandboxes.put({ ...sandbox, state: 'stopped' });
  await releaseSandbox(engine, sandbox);
  // Its caller never learnt of it.
  if (state === 'creating') await forgetSandbox(engine, sandbox);
}

/** What is mounted for a whole sandbox. After a reboot nothing is. */
function pinsOf(engine: Engine, { id, config }: Sandbox): string[] {
  const paths = engine.layout.sandbox(id);
  const { network, ipc, pid } = config.namespaces;
  return [
    paths.shm,
    ...(network === 'pod' ? [paths.namespace('net'), paths.namespace('uts')] : []),
    ...(ipc === 'pod' ? [paths.namespace('ipc')] : []),
    ...(pid === 'pod' ? [paths.namespace('pid')] : []),
    ...(config.userNamespace === undefined ? [] : [paths.namespace('user')]),
  ];
}

async function attempt(engine: Engine, fields: object, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    engine.log.error({ ...fields, error }, 'what an earlier daemon left could not be put right');
  }
}
