/** Transfers through attach: out of a container's own process, and into it. */
import { execa } from 'execa';
import type { Cri } from '#harness/client.ts';
import { containerConfig, type Pod, runContainer, sh } from '#harness/pods.ts';

export type AttachTransfer = {
  readonly cri: Cri;
  readonly pod: Pod;
  readonly image: string;
  /** The command line of `crictl attach -i <containerId>`. */
  readonly attach: (containerId: string) => readonly string[];
  readonly mib: number;
};

/** Milliseconds from the client's start until it has got all that the process wrote. */
export async function fromAttached(transfer: AttachTransfer): Promise<number> {
  const { mib } = transfer;
  // The process begins when a client is there, for there is nothing of before to be seen.
  const script = `read -r _; dd if=/dev/zero bs=64k count=${mib * 16} status=none`;
  return throughAttach(transfer, script, `echo | "$@" | tail -c +${mib * 2 ** 20}`, 1);
}

/** Milliseconds from the client's start until the process has read all that the client sent. */
export async function intoAttached(transfer: AttachTransfer): Promise<number> {
  const bytes = transfer.mib * 2 ** 20;
  return throughAttach(transfer, 'wc -c', `head -c ${bytes} /dev/zero | "$@"`, `${bytes}`);
}

/** What comes of it has to be a text, or to have a length, so that nobody is quick by losing something. */
async function throughAttach(
  { cri, pod, image, attach }: AttachTransfer,
  script: string,
  ...[client, expected]: [string, string | number]
): Promise<number> {
  const config = { command: sh(script), stdin: true, stdinOnce: true, logPath: '' };
  const containerId = await runContainer(cri, pod, containerConfig(image, config));
  try {
    const start = performance.now();
    const { stdout } = await execa('sh', ['-c', client, 'sh', ...attach(containerId)]);
    const tookMs = performance.now() - start;
    const result = typeof expected === 'number' ? stdout.length : stdout;
    if (result !== expected) throw new Error(`attach: ${result} came instead of ${expected}`);
    return tookMs;
  } finally {
    await cri.removeContainer({ containerId });
  }
}
