import {
  CgroupDriver,
  type RuntimeConfigRequest,
  type RuntimeConfigResponse,
} from '#api/cri/v1/types.ts';
import type { ServerDeps } from '#server/deps.ts';

/** kubelet asks once, and names cgroups this way for as long as it lives. */
export function runtimeConfig(
  { engine }: ServerDeps,
  _request: RuntimeConfigRequest,
): RuntimeConfigResponse {
  const drivers = { cgroupfs: CgroupDriver.CGROUPFS, systemd: CgroupDriver.SYSTEMD };
  return { linux: { cgroupDriver: drivers[engine.cgroupDriver] } };
}
