import { constants } from 'node:os';
import { Signal } from '#api/cri/v1/types.ts';

/** As libc counts them; the CRI has all of them, in their order. */
const realTime = { first: 34, last: 64 };

/** `SIGTERM` and the like for the CRI's number; empty for the runtime's own choice. */
export function signalName(value: Signal): string {
  const name = Object.entries(Signal).find(([, number]) => number === value)?.[0];
  if (name === undefined || name === 'RUNTIME_DEFAULT') return '';
  return name.replace('PLUS', '+').replace('MINUS', '-');
}

/**
 * The CRI's number for a signal by its name or, as images have it too, the kernel's number; RUNTIME_DEFAULT
 * for one that the CRI has no number for.
 */
export function signalValue(name: string): Signal {
  if (/^\d+$/.test(name)) return valueOfNumber(Number(name));
  const upper = name.toUpperCase();
  const full = (upper.startsWith('SIG') ? upper : `SIG${upper}`)
    .replace('+', 'PLUS')
    .replace('-', 'MINUS');
  return new Map<string, Signal>(Object.entries(Signal)).get(full) ?? Signal.RUNTIME_DEFAULT;
}

function valueOfNumber(number: number): Signal {
  const value = Signal.SIGRTMIN + number - realTime.first;
  if (number >= realTime.first && number <= realTime.last) return byValue(value);
  const name = Object.entries<number>(constants.signals).find(([, it]) => it === number)?.[0];
  return name === undefined ? Signal.RUNTIME_DEFAULT : signalValue(name);
}

function byValue(value: number): Signal {
  return Object.values(Signal).find((it) => it === value) ?? Signal.RUNTIME_DEFAULT;
}
