import type { PodView } from '#admin/pod-json.ts';
import type { NodeDescription } from '#admin/routes/describe-node.ts';
import type { AdminClient } from './admin-client.ts';
import { ExitError } from './command.ts';
import type { Folders, Places } from './places.ts';

/** What there is on this node. Asks the daemon or, while it is down, looks into its folders. */
export type NodeView = {
  /** All pods with their containers, oldest first. Says on standard error when the daemon is down. */
  pods(): Promise<readonly PodView[]>;
  /** Where the daemon keeps what. */
  folders(): Promise<Folders>;
};

/** A view of the node whose daemon is at `places`. */
export function nodeView(admin: AdminClient, { folders }: Places): NodeView {
  let hasTold = false;
  return {
    pods: async () => {
      try {
        const request = { method: 'GET', path: '/v1/pods' } as const;
        return (await admin.ask<{ readonly pods: readonly PodView[] }>(request)).pods;
      } catch (error) {
        if (!isDown(error) || folders === undefined) throw error;
        const { recordedPods } = await import('./recorded-pods.ts');
        const pods = recordedPods(folders);
        if (!hasTold) process.stderr.write(`gantry: ${error.message}; this is from its records\n`);
        hasTold = true;
        return pods;
      }
    },
    folders: async () => {
      try {
        const request = { method: 'GET', path: '/v1/node' } as const;
        return (await admin.ask<NodeDescription>(request)).config;
      } catch (error) {
        if (!isDown(error) || folders === undefined) throw error;
        return folders;
      }
    },
  };
}

export function isDown(error: unknown): error is ExitError {
  return error instanceof ExitError && error.reason === 'unreachable';
}
