import {
  CgroupDriver,
  type RuntimeConfigRequest,
  type RuntimeConfigResponse,
} from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';

/** kubelet asks once, and names cgroups this way for as long as it lives. */
export function runtimeConfig(
  _deps: ServerDeps,
  _request: RuntimeConfigRequest,
): RuntimeConfigResponse {
  return { linux: { cgroupDriver: CgroupDriver.CGROUPFS } };
}
