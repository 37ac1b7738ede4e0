import type { Route } from './exchange.ts';
import { checkNet, fixNet } from './routes/check-net.ts';
import { describeNode } from './routes/describe-node.ts';
import { exportImages } from './routes/export-images.ts';
import { importImages } from './routes/import-images.ts';
import { lendRootfs } from './routes/lend-rootfs.ts';
import { listEvents } from './routes/list-events.ts';
import { listImages } from './routes/list-images.ts';
import { listNet } from './routes/list-net.ts';
import { listOperations } from './routes/list-operations.ts';
import { listPods } from './routes/list-pods.ts';
import { listPulls } from './routes/list-pulls.ts';
import { pullImage } from './routes/pull-image.ts';
import { removeImage } from './routes/remove-image.ts';
import { showMetrics } from './routes/show-metrics.ts';
import { tagImage } from './routes/tag-image.ts';
import { takeNetDown } from './routes/take-net-down.ts';

export const routes: Readonly<Record<string, Route>> = {
  'GET /v1/node': describeNode,
  'GET /v1/pods': listPods,
  'GET /v1/operations': listOperations,
  'GET /v1/events': listEvents,
  'GET /metrics': showMetrics,
  'POST /v1/debug/rootfs': lendRootfs,
  'GET /v1/net': listNet,
  'GET /v1/net/check': checkNet,
  'POST /v1/net/check': fixNet,
  'POST /v1/net/down': takeNetDown,
  'GET /v1/pulls': listPulls,
  'GET /v1/images': listImages,
  'POST /v1/images/pull': pullImage,
  'POST /v1/images/import': importImages,
  'GET /v1/images/export': exportImages,
  'POST /v1/images/tag': tagImage,
  'DELETE /v1/images': removeImage,
};
