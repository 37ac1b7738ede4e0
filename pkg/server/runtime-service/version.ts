import type { VersionRequest, VersionResponse } from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';

/** The first call of every client: it checks that the CRI is spoken here. */
export function version(
  { version: runtimeVersion }: ServerDeps,
  _request: VersionRequest,
): VersionResponse {
  // 0.1.0 is the kubelet's version of this handshake and never changed.
  return { version: '0.1.0', runtimeName: 'gantry', runtimeVersion, runtimeApiVersion: 'v1' };
}
