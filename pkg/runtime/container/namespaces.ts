import type { Linux } from '#api/oci/runtime.ts';
import { Fault } from '#errors/fault.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Sandbox } from '#runtime/sandbox/sandbox.ts';
import type { ContainerConfig } from './container.ts';

/**
 * The namespaces that a container's process enters or gets. One that is missing here is the node's.
 * The pod's are entered by the files that pin them, never by a pid.
 */
export function containerNamespaces(
  engine: Engine,
  sandbox: Sandbox,
  config: ContainerConfig,
): Linux['namespaces'] {
  const paths = engine.layout.sandbox(sandbox.id);
  const { network, ipc, pid } = {
    ...sandbox.config.namespaces,
    pid: config.security.namespaces.pid,
  };
  return [
    { type: 'mount' },
    ...(sandbox.config.userNamespace === undefined
      ? []
      : ([{ type: 'user', path: paths.namespace('user') }] as const)),
    ...(network === 'pod' ? ([{ type: 'network', path: paths.namespace('net') }] as const) : []),
    ...(network === 'pod' ? ([{ type: 'uts', path: paths.namespace('uts') }] as const) : []),
    ...(ipc === 'pod' ? ([{ type: 'ipc', path: paths.namespace('ipc') }] as const) : []),
    ...pidNamespace(engine, sandbox, pid),
    ...cgroupNamespace(engine, config),
  ];
}

/** On cgroup v2 a container sees its own cgroup as the root, unless it is to see all of the node. */
function cgroupNamespace({ cgroups }: Engine, { security }: ContainerConfig): Linux['namespaces'] {
  return cgroups.mounts.mode === 'unified' && !security.privileged ? [{ type: 'cgroup' }] : [];
}

function pidNamespace(
  engine: Engine,
  sandbox: Sandbox,
  mode: ContainerConfig['security']['namespaces']['pid'],
): Linux['namespaces'] {
  if (mode === 'node') return [];
  if (mode === 'container') return [{ type: 'pid' }];
  const path =
    mode === 'pod'
      ? podPidNamespace(engine, sandbox)
      : targetNamespace(engine, sandbox, mode.target);
  return [{ type: 'pid', path }];
}

/** Made with the pod, if it is to have one. */
function podPidNamespace({ layout }: Engine, { id, config }: Sandbox): string {
  if (config.namespaces.pid === 'pod') return layout.sandbox(id).namespace('pid');
  throw new Fault('invalid-argument', 'pid namespace POD: the pod was made without one to share');
}

/** A debug container looks at the processes of another container of its pod. */
function targetNamespace(engine: Engine, sandbox: Sandbox, id: string): string {
  const target = engine.containers.get(id);
  if (target.sandboxId !== sandbox.id) {
    throw new Fault('invalid-argument', `pid namespace target "${target.id}" is in another pod`);
  }
  if (target.state.kind === 'running') return `/proc/${target.state.process.pid}/ns/pid`;
  throw new Fault(
    'failed-precondition',
    `pid namespace target "${target.id}" is ${target.state.kind}`,
  );
}
