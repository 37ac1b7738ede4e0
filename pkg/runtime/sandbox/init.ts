import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '#errors/fault.ts';
import { bindMount } from '#linux/mount.ts';
import { identifyProcess, isAlive, type ProcessId } from '#linux/process.ts';
import { writeWhole } from '#linux/write-file.ts';
import { stringifyExact } from '#runtime/spec/exact-json.ts';
import { cgroupOf, ociCgroupsPath } from '#runtime/cgroup-path.ts';
import { type Engine, handlerOf } from '#runtime/engine.ts';
import { runDetached, deleteContainer } from '#runtime/oci-runtime.ts';
import type { Sandbox } from './sandbox.ts';

/**
 * A pid namespace lives as long as its first process. Pods whose containers share one get catatonit,
 * which reaps orphans and waits; every other pod does without a process of its own.
 */
export async function startInit(engine: Engine, sandbox: Sandbox): Promise<ProcessId> {
  const paths = engine.layout.sandbox(sandbox.id);
  const bundle = paths.init;
  // What the OCI runtime mounts on has to be there: the root itself is read-only.
  for (const folder of ['proc', 'dev']) {
    mkdirSync(join(bundle, 'rootfs', folder), { recursive: true, mode: 0o755 });
  }
  writeFileSync(join(bundle, 'rootfs', 'init'), '');
  writeWhole(join(bundle, 'config.json'), stringifyExact(initSpec(engine, sandbox)), 0o600);
  const pidFile = join(bundle, 'pid');
  try {
    const runtime = handlerOf(engine, sandbox.config.runtimeHandler);
    const { driver } = sandbox.cgroup;
    await runDetached(runtime, { id: sandbox.id, bundle, pidFile, driver });
  } catch (cause) {
    throw new Fault('internal', `start the pod's init "${engine.init}"`, { cause });
  }
  const pin = paths.namespace('pid');
  writeFileSync(pin, '');
  const pid = Number(readFileSync(pidFile, 'utf8'));
  bindMount(`/proc/${pid}/ns/pid`, pin);
  const init = identifyProcess(pid);
  if (init !== undefined) return init;
  throw new Fault('internal', `the pod's init "${engine.init}" has ended at once`);
}

/** Without its init no process can begin in a pod any more: kubelet is to make another one. */
export function noticeEndOfInit(engine: Engine, sandbox: Sandbox): void {
  const { id, state, init } = sandbox;
  if (state !== 'ready' || init === undefined || isAlive(init)) return;
  engine.log.warn(
    { sandboxId: id, pid: init.pid },
    'the init of a pod has ended, and the pod with it',
  );
  engine.sandboxes.putEnd({ ...sandbox, state: 'stopped' }, (error) => {
    engine.log.error({ sandboxId: id, error }, 'the end of a pod is not on record');
  });
}

/** Ends the init, and with it every process of the pod's pid namespace. Idempotent. */
export async function stopInit(engine: Engine, sandbox: Sandbox): Promise<void> {
  if (sandbox.config.namespaces.pid !== 'pod') return;
  const cgroup = cgroupOf(sandbox.cgroup, sandbox.id);
  await engine.cgroups.kill(cgroup);
  // It may be configured no more.
  const runtime = engine.handlers.get(sandbox.config.runtimeHandler);
  const { init: folder } = engine.layout.sandbox(sandbox.id);
  if (runtime !== undefined) await deleteContainer(runtime, { id: sandbox.id, folder });
  await engine.cgroups.remove(cgroup);
}

/** No capability, nothing to see but its own program. */
function initSpec(engine: Engine, sandbox: Sandbox): object {
  const paths = engine.layout.sandbox(sandbox.id);
  const { network, ipc } = sandbox.config.namespaces;
  const { userNamespace } = sandbox.config;
  const users = userNamespace && [
    { containerID: 0, hostID: userNamespace.hostId, size: userNamespace.length },
  ];
  return {
    ociVersion: '1.0.2',
    process: {
      args: ['/init', '-P'],
      cwd: '/',
      env: [],
      user: { uid: 0, gid: 0 },
      noNewPrivileges: true,
      rlimits: engine.limits.rlimits,
      // Its end would be that of all processes of the pod.
      oomScoreAdj: Math.max(-998, engine.limits.minOomScoreAdj),
    },
    root: { path: 'rootfs', readonly: true },
    mounts: [
      {
        destination: '/proc',
        type: 'proc',
        source: 'proc',
        options: ['nosuid', 'noexec', 'nodev'],
      },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'mode=755', 'size=64k'],
      },
      { destination: '/init', type: 'bind', source: engine.init, options: ['bind', 'ro'] },
    ],
    linux: {
      cgroupsPath: ociCgroupsPath(sandbox.cgroup.driver, cgroupOf(sandbox.cgroup, sandbox.id)),
      ...(users === undefined ? {} : { uidMappings: users, gidMappings: users }),
      namespaces: [
        { type: 'mount' },
        { type: 'pid' },
        ...(users === undefined ? [] : [{ type: 'user', path: paths.namespace('user') }]),
        ...(network === 'pod' ? [{ type: 'network', path: paths.namespace('net') }] : []),
        ...(ipc === 'pod' ? [{ type: 'ipc', path: paths.namespace('ipc') }] : []),
      ],
      resources: { devices: [{ allow: false, access: 'rwm' }] },
    },
  };
}
