import type { IoStats } from 'cgroupfs-ts';
import { deviceName } from './device-name.ts';
import type { ContainerMetric, Measured } from './metric.ts';

/** Of the filesystem that holds what containers write; and of all block devices. */
export const filesystemMetrics: readonly ContainerMetric[] = [
  ofFilesystem('container_fs_usage_bytes', 'What the container has written over its image.', {
    read: ({ rootfs }) => rootfs?.usedBytes,
  }),
  ofFilesystem('container_fs_limit_bytes', 'The size of the filesystem in bytes.', {
    read: ({ filesystem }) => filesystem.bytes,
  }),
  ofFilesystem('container_fs_inodes_total', 'The inodes of the filesystem.', {
    read: ({ filesystem }) => filesystem.inodes,
  }),
  ofFilesystem('container_fs_inodes_free', 'The inodes that are free in the filesystem.', {
    read: ({ filesystem }) => filesystem.freeInodes,
  }),
  ofDevices('container_fs_reads_total', 'Reads from block devices.', 'reads'),
  ofDevices('container_fs_reads_bytes_total', 'Bytes read from block devices.', 'readBytes'),
  ofDevices('container_fs_writes_total', 'Writes to block devices.', 'writes'),
  ofDevices('container_fs_writes_bytes_total', 'Bytes written to block devices.', 'writtenBytes'),
  {
    name: 'container_blkio_device_usage_total',
    help: 'Bytes moved from and to block devices, by operation.',
    type: 'counter',
    labels: ['device', 'major', 'minor', 'operation'],
    read: ({ cgroup }) =>
      cgroup.io?.flatMap(({ major, minor, readBytes, writtenBytes, discardedBytes }) => {
        const device = [deviceName(major, minor), String(major), String(minor)];
        return [
          { labels: [...device, 'Read'], value: readBytes },
          { labels: [...device, 'Write'], value: writtenBytes },
          { labels: [...device, 'Discard'], value: discardedBytes },
        ];
      }),
  },
];

function ofFilesystem(
  name: string,
  help: string,
  { read }: { readonly read: (measured: Measured) => number | undefined },
): ContainerMetric {
  return {
    name,
    help,
    type: 'gauge',
    labels: ['device'],
    read: (measured) => {
      const value = read(measured);
      return value === undefined ? undefined : [{ labels: [measured.filesystem.device], value }];
    },
  };
}

function ofDevices(name: string, help: string, field: keyof IoStats): ContainerMetric {
  return {
    name,
    help,
    type: 'counter',
    labels: ['device'],
    read: ({ cgroup }) =>
      cgroup.io?.map((stats) => ({
        labels: [deviceName(stats.major, stats.minor)],
        value: stats[field],
      })),
  };
}
