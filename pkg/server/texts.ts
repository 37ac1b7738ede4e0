import { isUtf8 } from 'node:buffer';
import { Fault } from '#errors/fault.ts';

/** What the API server lets an object have, some six times over; lists have to fit into 16 MiB. */
const maxLabelBytes = 2 * 1024 * 1024;

/**
 * Refuses a message with a NUL in one of its texts: for the kernel, and for every program in C, the
 * text would end there. `field` is the message's path in the request.
 */
export function refuseNul(value: unknown, field: string): void {
  if (typeof value === 'string' || Buffer.isBuffer(value)) {
    if (value.includes('\0')) throw new Fault('invalid-argument', `${field}: has a NUL in it`);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, part] of Object.entries(value)) {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const path = Array.isArray(value) ? `${field}[${key}]` : `${field}.${name}`;
    if (key.includes('\0')) throw new Fault('invalid-argument', `${field}: has a NUL in a key`);
    refuseNul(part, path);
  }
}

/** Refuses more labels and annotations than anything in Kubernetes has: they come back in every list. */
export function checkLabels(
  config: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  },
  field: string,
): void {
  const entries = [...Object.entries(config.labels), ...Object.entries(config.annotations)];
  const bytes = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (bytes <= maxLabelBytes) return;
  const sentence = `${field}: labels and annotations are ${bytes} bytes long; ${maxLabelBytes} is the most`;
  throw new Fault('invalid-argument', sentence);
}

/** A text that becomes a word of a file, such as resolv.conf: it must not become two, or a line. */
export function oneWord(value: string, field: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  if (value !== '' && !/[\s\u0000-\u001f\u007f]/.test(value)) return value;
  throw new Fault('invalid-argument', `${field}: ${JSON.stringify(value)} is not one word`);
}

/** The text of a field of bytes. */
export function utf8(value: Buffer, field: string): string {
  if (isUtf8(value)) return value.toString();
  throw new Fault('invalid-argument', `${field}: is not UTF-8`);
}
