import { randomBytes } from 'node:crypto';

declare const brand: unique symbol;
type Id<Of extends string> = string & { readonly [brand]: Of };

/** 64 lower-case hex digits, made here: safe as a part of paths, cgroups and commands. */
export type SandboxId = Id<'sandbox'>;
/** 64 lower-case hex digits, made here: safe as a part of paths, cgroups and commands. */
export type ContainerId = Id<'container'>;

export function newSandboxId(): SandboxId {
  return randomBytes(32).toString('hex') as SandboxId;
}

export function newContainerId(): ContainerId {
  return randomBytes(32).toString('hex') as ContainerId;
}
