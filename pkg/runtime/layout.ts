import { join } from 'node:path';
import type { ContainerId, SandboxId } from './id.ts';

/** Where the runtime keeps what does not outlive a reboot, under the state directory. */
export type Layout = ReturnType<typeof createLayout>;

export function createLayout(state: string) {
  const exits = join(state, 'exits');
  return {
    state,
    /** With their modes: the root of a pod's user namespace passes through to folders of its own. */
    folders: [
      { path: join(state, 'sandboxes'), mode: 0o711 },
      { path: join(state, 'containers'), mode: 0o711 },
      { path: join(state, 'oci'), mode: 0o700 },
      { path: exits, mode: 0o700 },
    ],
    sandbox: (id: SandboxId) => {
      const folder = join(state, 'sandboxes', id);
      return {
        /** Closed to the node's users: its shared memory can be written to by anybody. */
        folder,
        /** A namespace is kept alive by the bind mount of it onto its file (namespaces(7)). */
        namespace: (kind: 'net' | 'ipc' | 'uts' | 'pid' | 'user') => join(folder, kind),
        hostname: join(folder, 'hostname'),
        hosts: join(folder, 'hosts'),
        resolvConf: join(folder, 'resolv.conf'),
        shm: join(folder, 'shm'),
        /** The OCI bundle of the init process, in pods that share a pid namespace. */
        init: join(folder, 'init'),
      };
    },
    container: (id: ContainerId) => {
      const folder = join(state, 'containers', id);
      return {
        /**
         * The OCI bundle; conmon's sockets and pid files are here too. Closed to the node's users, for
         * whom an image's setuid programs are not meant.
         */
        folder,
        config: join(folder, 'config.json'),
        /** The process of config.json by itself: what an exec's process is made of. */
        process: join(folder, 'process.json'),
        rootfs: join(folder, 'rootfs'),
        /** Images mounted for it as volumes, by number. */
        volumes: join(folder, 'volumes'),
        pidFile: join(folder, 'pid'),
        monitorPidFile: join(folder, 'conmon.pid'),
        monitorLog: join(folder, 'conmon.log'),
        /** conmon makes it when the kernel has killed a process for want of memory. */
        oom: join(folder, 'oom'),
        exit: join(exits, id),
      };
    },
    /** conmon leaves one file per ended container here, named after it, with its exit code. */
    exits,
    /** The OCI runtimes' own state, one folder per handler (`crun --root`). */
    ociRuntime: (handler: string) => join(state, 'oci', handler),
  };
}
