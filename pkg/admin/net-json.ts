import type { PodNetworkView } from '#network/pod-view.ts';
import type { PortView } from '#network/port-view.ts';

/** The network of a pod as this endpoint tells of it. */
export type PodNetView = {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  /** Where its network namespace is pinned. */
  readonly netns: string;
  /** Absent when its namespace is gone. */
  readonly network?: PodNetworkView;
  /** Of the host, that lead to it. */
  readonly ports: readonly PortView[];
};
