import type { Images } from '#image/images.ts';
import type { Log } from '#log/log.ts';
import type { Networks } from '#network/networks.ts';
import type { PodNetwork } from '#network/pod-network.ts';
import type { Engine } from '#runtime/engine.ts';
import type { Targets } from '#streaming/sessions.ts';
import type { Tracer } from '#trace/tracer.ts';

/** What the endpoint works with. */
export type AdminDeps = {
  readonly log: Log;
  readonly tracer: Tracer;
  readonly images: Images;
  readonly engine: Engine;
  /** What Prometheus is told. */
  readonly metrics: {
    page(): Promise<{ readonly contentType: string; readonly text: string }>;
  };
  readonly network: Pick<Networks, 'findOrphans'> & { readonly builtIn: PodNetwork };
  /** What sessions lead to. */
  readonly targets: Targets;
  /** Of this program. */
  readonly version: string;
  /** What is in force. */
  readonly config: { readonly root: string; readonly state: string };
};
