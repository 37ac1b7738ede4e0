import { release } from 'node:os';
import { runProgram } from '#linux/program.ts';
import type { OciRuntime } from './oci-runtime.ts';

/** What a runtime handler can do that not every one can. kubelet looks before it asks for it. */
export type HandlerFeatures = {
  /** Mounts that are read-only together with all that is mounted below them. */
  readonly recursiveReadOnlyMounts: boolean;
  /** Pods with users of their own, on file systems whose owners are mapped. */
  readonly userNamespaces: boolean;
  /** Processes in a class of the processor's caches. */
  readonly rdt: boolean;
};

/** The part of what a runtime tells of itself (runtime-spec/features.md) that counts here. */
type Told = {
  readonly mountOptions?: readonly string[];
  readonly linux?: { readonly intelRdt?: { readonly enabled?: boolean } };
};

/** A program that does not know the question must not hold up the daemon's start for long. */
const timeoutMs = 30_000;

/** Asks the OCI runtime by its command `features`, and the kernel. */
export async function handlerFeatures(
  runtime: Pick<OciRuntime, 'path' | 'kind'>,
): Promise<HandlerFeatures> {
  const { mountOptions = [], linux } = await tell(runtime);
  return {
    // mount_setattr(2), which does it, came with Linux 5.12.
    recursiveReadOnlyMounts: mountOptions.includes('rro') && isLinux(5, 12),
    // An overlay of idmapped layers is possible since Linux 5.19.
    userNamespaces: mountOptions.includes('idmap') && isLinux(5, 19),
    rdt: linux?.intelRdt?.enabled === true,
  };
}

async function tell({ path, kind }: Pick<OciRuntime, 'path' | 'kind'>): Promise<Told> {
  try {
    const told: Told | null = JSON.parse(await runProgram(path, ['features'], { timeoutMs }));
    return told ?? {};
  } catch {
    // crun can do this since 2021 and tells of it since 1.8.6; Debian 12 has 1.8.1.
    return kind === 'crun' ? { mountOptions: ['rro', 'idmap'] } : {};
  }
}

function isLinux(atLeastMajor: number, atLeastMinor: number): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > atLeastMajor || (major === atLeastMajor && minor >= atLeastMinor);
}
