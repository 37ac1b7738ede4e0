import { Fault } from '#errors/fault.ts';

/** The capability `bandwidth` of CONVENTIONS.md. Rates in bits per second, bursts in bits. */
export type Bandwidth = {
  readonly ingressRate?: number;
  readonly ingressBurst?: number;
  readonly egressRate?: number;
  readonly egressBurst?: number;
};

/** From 1 kbit/s to 1 Pbit/s, as kubelet has always had it for these annotations. */
const minRate = 1e3;
const maxRate = 1e15;

/** What a pod may send at once: a tenth of a second's worth, but some packets of 64 KiB at least. */
const burstSeconds = 0.1;
const minBurst = 8 * 256 * 1024;
/** A bucket of the kernel holds less than 4 GiB. */
const maxBurst = 8 * (2 ** 32 - 1) - 8;

/** The limits that a pod's annotations ask for, or undefined. An `invalid-argument` Fault names a bad one. */
export function bandwidthOf(annotations: Readonly<Record<string, string>>): Bandwidth | undefined {
  const ingress = rateOf(annotations, 'kubernetes.io/ingress-bandwidth');
  const egress = rateOf(annotations, 'kubernetes.io/egress-bandwidth');
  if (ingress === undefined && egress === undefined) return undefined;
  return {
    ...(ingress === undefined ? {} : { ingressRate: ingress, ingressBurst: burstOf(ingress) }),
    ...(egress === undefined ? {} : { egressRate: egress, egressBurst: burstOf(egress) }),
  };
}

function burstOf(rate: number): number {
  return Math.min(Math.max(Math.ceil(rate * burstSeconds), minBurst), maxBurst);
}

function rateOf(annotations: Readonly<Record<string, string>>, key: string): number | undefined {
  const text = annotations[key];
  if (text === undefined) return undefined;
  const rate = quantity(text);
  if (rate !== undefined && rate >= minRate && rate <= maxRate) return rate;
  throw new Fault(
    'invalid-argument',
    `annotation "${key}": "${text}" is no rate from 1k to 1P (bits per second)`,
  );
}

const decimal: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
};
const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** A quantity of Kubernetes (`10M`, `1.5Gi`, `1e6`), rounded up to a whole number. */
function quantity(text: string): number | undefined {
  const [, number, suffix = '', exponent] =
    /^\+?(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  if (exponent !== undefined) return Math.ceil(Number(`${number}e${exponent}`));
  const factor = decimal[suffix] ?? 1024 ** (binary.indexOf(suffix) + 1);
  return Math.ceil(Number(number) * factor);
}
