import { openCgroupfs } from 'cgroupfs-ts';
import type { PodView } from '#admin/pod-json.ts';
import type { Command } from './command.ts';
import { printJson, printTable } from './output.ts';
import { resolveContainer, resolvePod } from './resolve.ts';
import { bytesCell, orDash } from './sizes.ts';
import { sampleUsage, type UsageSample } from './usage-sample.ts';
import { formatMs } from './waterfall.ts';

export const stats: Command = {
  synopsis: '[CONTAINER|POD]',
  details: `What running containers have used so far: CPU time, how often it was throttled, memory with and
without caches, swap, bytes read from and written to disks, bytes that the pod's network received
and sent, processes, how many were killed for want of memory. --json has all that the kernel tells.
`,
  flags: {},
  operands: { min: 0, max: 1 },
  run: async ({ node, operands: [text], isJson }) => {
    const pods = await node.pods();
    const samples = await sampleUsage(
      text === undefined ? pods : named(pods, text),
      openCgroupfs(),
    );
    if (isJson) printJson(samples);
    else printTable([heading, ...samples.map(row)]);
  },
};

function named(pods: readonly PodView[], text: string): PodView[] {
  try {
    return [resolvePod(pods, text)];
  } catch {
    const { pod, container } = resolveContainer(pods, text);
    return [{ ...pod, containers: [container] }];
  }
}

const heading =
  'CONTAINER NAME CPU THROTTLED MEMORY WITH-CACHES SWAP READ WRITTEN RECEIVED SENT PIDS OOM'.split(
    ' ',
  );

function row({ pod, container, stats: used, network }: UsageSample): string[] {
  const { cpu, memory, io, pids } = used;
  const sum = (key: 'readBytes' | 'writtenBytes') =>
    bytesCell(io?.reduce((all, device) => all + device[key], 0));
  return [
    container.id.slice(0, 12),
    `${pod}/${container.name}`,
    orDash(cpu?.usageUs, (us) => formatMs(us / 1000)),
    orDash(cpu?.throttledPeriods, String),
    bytesCell(memory?.workingSetBytes),
    bytesCell(memory?.usageBytes),
    bytesCell(memory?.swapBytes),
    sum('readBytes'),
    sum('writtenBytes'),
    bytesCell(network?.receivedBytes),
    bytesCell(network?.sentBytes),
    orDash(pids?.current, String),
    orDash(memory?.oomKills, String),
  ];
}
