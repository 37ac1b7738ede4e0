import type { ImageFsInfoRequest, ImageFsInfoResponse } from '#api/cri/v1/types.ts';
import { now } from '#runtime/clock.ts';
import type { ServerDeps } from '#server/deps.ts';

/** kubelet finds the file system by its mount point, and evicts pods by how full it is. */
export async function imageFsInfo(
  { images }: ServerDeps,
  _request: ImageFsInfoRequest,
): Promise<ImageFsInfoResponse> {
  const { mountpoint, usedBytes, inodesUsed } = await images.usage();
  const usage = {
    timestamp: now(),
    fsId: { mountpoint },
    usedBytes: { value: usedBytes },
    inodesUsed: { value: inodesUsed },
  };
  return { imageFilesystems: [usage], containerFilesystems: [] };
}
