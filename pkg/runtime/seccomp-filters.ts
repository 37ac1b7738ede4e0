import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LinuxSeccomp } from '#api/oci/runtime.ts';
import { isErrno } from '#errors/fault.ts';
import type { ContainerId } from './id.ts';
import type { OciRuntime } from './oci-runtime.ts';

/** More profiles than a node has in use. */
const maxFilters = 64;

/**
 * Seccomp filters that crun has compiled, to be given to it again: compiling takes 9 ms of the 15 that
 * a container with the default profile needs (libseccomp, 3 architectures), and Debian's crun keeps
 * none. The annotation is crun's (crun(1), "run.oci.seccomp_bpf_data"); it replaces the filter, so
 * nobody but us may ever set it.
 */
export class SeccompFilters {
  readonly #filters = new Map<string, string>();
  readonly #awaited = new Map<ContainerId, string>();

  /** Annotations for the spec of a container with this profile: none, or its compiled filter. */
  annotations(
    id: ContainerId,
    runtime: OciRuntime,
    profile: LinuxSeccomp | undefined,
  ): Record<string, string> {
    if (profile === undefined || runtime.kind !== 'crun') return {};
    // A listener is opened when the filter is loaded: such a profile is more than its filter.
    if (profile.listenerPath !== undefined) return {};
    const key = createHash('sha256').update(JSON.stringify(profile)).digest('base64');
    const filter = this.#filters.get(key);
    if (filter !== undefined) return { 'run.oci.seccomp_bpf_data': filter };
    this.#awaited.set(id, key);
    return {};
  }

  /** Keeps the filter that the runtime has just compiled for the container, if it is a new one. */
  learn(id: ContainerId, runtime: OciRuntime): void {
    const key = this.#awaited.get(id);
    if (key === undefined) return;
    this.#awaited.delete(id);
    if (this.#filters.size >= maxFilters) this.#filters.clear();
    try {
      this.#filters.set(key, readFileSync(join(runtime.root, id, 'seccomp.bpf'), 'base64'));
    } catch (error) {
      // Another version may keep it elsewhere; then each container compiles its own.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  /** To be called when the container is removed. */
  forget(id: ContainerId): void {
    this.#awaited.delete(id);
  }
}
