import { makeNamespaces, type NamespaceRequest, unpin } from './namespace-create.ts';
import type { HomeNamespaces } from './namespace-home.ts';

/**
 * What the system thread can do: system calls that block, or that act on the calling thread. Each
 * operation runs to its end before the next one begins. Arguments and results are plain values.
 */
export function createOperations(home: HomeNamespaces) {
  return {
    createNamespaces: (request: NamespaceRequest): void => makeNamespaces(home, request),
    removeNamespace: (path: string): void => unpin(path),
  };
}

type Implementation = ReturnType<typeof createOperations>;

/** From the name of each operation to its argument and its result. */
export type Operations = {
  [Name in keyof Implementation]: {
    readonly argument: Parameters<Implementation[Name]>[0];
    readonly result: ReturnType<Implementation[Name]>;
  };
};
