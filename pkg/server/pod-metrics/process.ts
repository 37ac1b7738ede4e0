import type { ContainerMetric } from './metric.ts';

export const processMetrics: readonly ContainerMetric[] = [
  {
    name: 'container_processes',
    help: 'Processes in the container.',
    type: 'gauge',
    read: ({ processes }) => processes,
  },
  {
    name: 'container_threads',
    help: 'Threads in the container; each process has one at least.',
    type: 'gauge',
    read: ({ cgroup }) => cgroup.pids?.current,
  },
  {
    name: 'container_threads_max',
    help: 'How many threads there may be; 0 means any number.',
    type: 'gauge',
    read: ({ cgroup }) => (cgroup.pids === undefined ? undefined : (cgroup.pids.limit ?? 0)),
  },
  {
    name: 'container_file_descriptors',
    help: 'File descriptors that the processes have open.',
    type: 'gauge',
    read: ({ openFiles }) => openFiles.descriptors,
  },
  {
    name: 'container_sockets',
    help: 'Sockets that the processes have open.',
    type: 'gauge',
    read: ({ openFiles }) => openFiles.sockets,
  },
  {
    name: 'container_ulimits_soft',
    help: 'The soft limit of open files of the first process.',
    type: 'gauge',
    labels: ['ulimit'],
    read: ({ maxOpenFiles }) =>
      // There is no number for "unlimited" in the CRI.
      maxOpenFiles === undefined || !Number.isFinite(maxOpenFiles)
        ? undefined
        : [{ labels: ['max_open_files'], value: maxOpenFiles }],
  },
  {
    name: 'container_start_time_seconds',
    help: 'When the container was started, in seconds since the Unix epoch.',
    type: 'gauge',
    read: ({ startedSeconds }) => startedSeconds,
  },
  {
    name: 'container_last_seen',
    help: 'When the container was last seen, in seconds since the Unix epoch.',
    type: 'gauge',
    read: ({ nowSeconds }) => nowSeconds,
  },
];
