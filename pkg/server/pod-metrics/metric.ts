import type { CgroupStats } from 'cgroupfs-ts';
import type { RootfsUsage } from '#image/images.ts';
import type { Container } from '#runtime/container/container.ts';
import type { OpenFiles } from '#runtime/stats/open-files.ts';
import type { Interface } from '#runtime/stats/pod-traffic.ts';
import type { FilesystemSize } from './filesystem-size.ts';

/** The labels of cAdvisor's metrics of containers, in the order of their values. */
export const baseLabels = ['container', 'id', 'image', 'name', 'namespace', 'pod'] as const;

/** A value with those of the labels that the metric has besides. Whole numbers, as the CRI has them. */
export type Sample = { readonly labels?: readonly string[]; readonly value: number };

/** A metric, and where its samples come from; what is unknown has none. */
export type Metric<Subject> = {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  /** Besides `baseLabels`. */
  readonly labels?: readonly string[];
  readonly read: (subject: Subject) => number | undefined | readonly Sample[];
};

/** A container that runs, with all that was read of it. */
export type Measured = {
  readonly container: Container;
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
  readonly startedSeconds: number;
  readonly cgroup: CgroupStats;
  readonly processes: number;
  readonly openFiles: OpenFiles;
  /** Of its first process: the soft limit; undefined when it is gone. */
  readonly maxOpenFiles: number | undefined;
  readonly rootfs: RootfsUsage | undefined;
  readonly filesystem: FilesystemSize;
};

export type ContainerMetric = Metric<Measured>;
export type PodMetric = Metric<readonly Interface[]>;
