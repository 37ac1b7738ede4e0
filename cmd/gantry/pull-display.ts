import { WriteStream } from 'node:tty';
import type { LayerProgress, PullProgress } from '#image/images.ts';
import { LiveLines } from './live-lines.ts';
import { formatBytes, formatRate } from './sizes.ts';

/** Shows how far a pull is. */
export type PullDisplay = { show(progress: PullProgress): void };

/** A bar for each layer on a terminal; elsewhere, a line when a layer comes to another stage. */
export function pullDisplay(stream: NodeJS.WriteStream): PullDisplay {
  return stream instanceof WriteStream ? bars(new LiveLines(stream)) : plainLines(stream);
}

function bars(lines: LiveLines): PullDisplay {
  return {
    show: ({ reference, layers }) => {
      const fitting =
        layers.length < lines.rows ? layers : layers.filter((layer) => !isFinished(layer));
      lines.draw([`${reference}: ${summary(layers)}`, ...fitting.map(barLine)]);
    },
  };
}

function plainLines(stream: NodeJS.WritableStream): PullDisplay {
  const stages = new Map<string, string>();
  return {
    show: ({ layers }) => {
      for (const { digest, stage, totalBytes } of layers) {
        if (stages.get(digest) === stage) continue;
        stages.set(digest, stage);
        stream.write(`${shortDigest(digest)} ${stage} (${formatBytes(totalBytes)})\n`);
      }
    },
  };
}

function summary(layers: readonly LayerProgress[]): string {
  if (layers.length === 0) return 'asking the registry';
  const total = (of: (layer: LayerProgress) => number) =>
    layers.reduce((sum, layer) => sum + of(layer), 0);
  const done = layers.filter(isFinished).length;
  const bytes = `${formatBytes(total(({ bytes: of }) => of))} of ${formatBytes(total(({ totalBytes }) => totalBytes))}`;
  const rate = total(({ bytesPerSecond }) => bytesPerSecond);
  const left = total(({ bytes: of, totalBytes }) => totalBytes - of);
  const eta = rate > 0 ? `, ${formatRate(rate)}, ${Math.ceil(left / rate)} s left` : '';
  return `${done} of ${layers.length} layers, ${bytes}${eta}`;
}

const barWidth = 24;

function barLine({ digest, stage, bytes, totalBytes, bytesPerSecond }: LayerProgress): string {
  const share = totalBytes === 0 ? 1 : bytes / totalBytes;
  const bar = '='.repeat(Math.round(share * barWidth)).padEnd(barWidth);
  const rate = bytesPerSecond > 0 ? `  ${formatRate(bytesPerSecond)}` : '';
  return `  ${shortDigest(digest)}  ${stage.padEnd(11)} [${bar}] ${formatBytes(totalBytes).padStart(10)}${rate}`;
}

function isFinished({ stage }: LayerProgress): boolean {
  return stage === 'done' || stage === 'exists';
}

export function shortDigest(digest: string): string {
  return digest.replace('sha256:', '').slice(0, 12);
}
