import type { PodView } from '#admin/pod-json.ts';
import type { AdminClient } from './admin-client.ts';
import { ExitError } from './command.ts';
import type { Places } from './places.ts';

/** What there is on this node. Asks the daemon or, while it is down, reads its records. */
export type NodeView = {
  /** All pods with their containers, oldest first. */
  pods(): Promise<readonly PodView[]>;
};

/** A view of the node whose daemon is at `places`. Says so on standard error when that is down. */
export function nodeView(admin: AdminClient, { folders }: Places): NodeView {
  return {
    pods: async () => {
      try {
        const request = { method: 'GET', path: '/v1/pods' } as const;
        return (await admin.ask<{ readonly pods: readonly PodView[] }>(request)).pods;
      } catch (error) {
        const isDown = error instanceof ExitError && error.reason === 'unreachable';
        if (!isDown || folders === undefined) throw error;
        const { recordedPods } = await import('./recorded-pods.ts');
        const pods = recordedPods(folders);
        process.stderr.write(`gantry: ${error.message}; this is from its records\n`);
        return pods;
      }
    },
  };
}
