import type { RunPodSandboxRequest, RunPodSandboxResponse } from '#api/cri/v1/types.ts';
import { runSandbox } from '#runtime/sandbox/run.ts';
import type { ServerDeps } from '#server/deps.ts';
import { sandboxConfig } from '#server/sandbox-config.ts';

/** Goes on when the caller has gone: kubelet asks again, and gets what was made. */
export async function runPodSandbox(
  { engine }: ServerDeps,
  request: RunPodSandboxRequest,
): Promise<RunPodSandboxResponse> {
  const config = sandboxConfig(request.config, request.runtimeHandler);
  return { podSandboxId: await runSandbox(engine, config) };
}
