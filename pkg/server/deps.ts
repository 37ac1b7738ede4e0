import type { Images } from '#image/images.ts';
import type { Log } from '#log/log.ts';
import type { Networks } from '#network/networks.ts';
import type { Engine } from '#runtime/engine.ts';
import type { StreamingServer } from '#streaming/server.ts';
import type { Tracer } from '#trace/tracer.ts';

/** What the RPCs work with. */
export type ServerDeps = {
  readonly log: Log;
  readonly tracer: Tracer;
  readonly engine: Engine;
  readonly images: Images;
  readonly network: Pick<Networks, 'readiness' | 'describe' | 'describePod'>;
  readonly streaming: Pick<StreamingServer, 'urlFor'>;
  /** Version of this program. */
  readonly version: string;
  /** The effective configuration, for `crictl info`. */
  readonly config: object;
};
