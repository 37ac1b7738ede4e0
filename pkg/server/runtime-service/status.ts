import type { RuntimeCondition, StatusRequest, StatusResponse } from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';

/** Whether pods can be run, and what the runtime handlers can do; verbosely, the configuration too. */
export async function status(
  { engine, network, config }: ServerDeps,
  request: StatusRequest,
): Promise<StatusResponse> {
  return {
    status: {
      conditions: [
        condition('RuntimeReady', { ready: true }),
        condition('NetworkReady', await network.readiness()),
      ],
    },
    runtimeHandlers: [...engine.handlers].map(([name, { features }]) => ({
      name,
      features,
    })),
    features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: false },
    info: request.verbose
      ? { config: JSON.stringify(config), network: JSON.stringify(await network.describe()) }
      : {},
  };
}

type Readiness = { ready: true } | { ready: false; reason: string; message: string };

function condition(type: string, readiness: Readiness): RuntimeCondition {
  if (readiness.ready) return { type, status: true, reason: '', message: '' };
  return { type, status: false, reason: readiness.reason, message: readiness.message };
}
