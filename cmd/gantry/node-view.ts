import type { ImageSummary } from '#admin/image-json.ts';
import type { PodView } from '#admin/pod-json.ts';
import type { NodeDescription } from '#admin/routes/describe-node.ts';
import type { AdminClient } from './admin-client.ts';
import { ExitError } from './command.ts';
import type { Folders, Places } from './places.ts';

/**
 * What there is on this node. Asks the daemon or, while it is down, looks into its folders, and says
 * so on standard error.
 */
export type NodeView = {
  /** All pods with their containers, oldest first. */
  pods(): Promise<readonly PodView[]>;
  images(): Promise<readonly ImageSummary[]>;
  /** Where the daemon keeps what. */
  folders(): Promise<Folders>;
};

/** A view of the node whose daemon is at `places`. */
export function nodeView(admin: AdminClient, { folders }: Places): NodeView {
  let hasTold = false;
  /** An answer or, when there is no daemon to give one, what its records have. */
  const answerOrRecords = async <Answer>(
    path: string,
    records: (of: Folders) => Promise<Answer>,
  ): Promise<Answer> => {
    try {
      return await admin.ask<Answer>({ method: 'GET', path });
    } catch (error) {
      if (!isDown(error) || folders === undefined) throw error;
      const answer = await records(folders);
      if (!hasTold) process.stderr.write(`gantry: ${error.message}; this is from its records\n`);
      hasTold = true;
      return answer;
    }
  };
  return {
    pods: async () => {
      const { pods } = await answerOrRecords<{ pods: PodView[] }>('/v1/pods', async (of) => ({
        pods: (await import('./recorded-pods.ts')).recordedPods(of),
      }));
      return pods;
    },
    images: async () => {
      const answer = await answerOrRecords<{ images: ImageSummary[] }>(
        '/v1/images',
        async (of) => ({
          images: (await import('./recorded-images.ts')).recordedImages(of),
        }),
      );
      return answer.images;
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
