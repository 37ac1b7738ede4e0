import type { Images } from '#image/images.ts';
import type { Log } from '#log/log.ts';
import type { PodNetwork } from '#network/pod-network.ts';
import type { Engine } from '#runtime/engine.ts';

/** What the RPCs work with. */
export type ServerDeps = {
  readonly log: Log;
  readonly engine: Engine;
  readonly images: Images;
  readonly network: PodNetwork;
  /** Version of this program. */
  readonly version: string;
  /** The effective configuration, for `crictl info`. */
  readonly config: object;
};
