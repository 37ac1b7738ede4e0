import { Signal } from '#api/cri/v1/types.ts';

/** `SIGTERM` and the like for the CRI's number; empty for the runtime's own choice. */
export function signalName(value: Signal): string {
  const name = Object.entries(Signal).find(([, number]) => number === value)?.[0];
  if (name === undefined || name === 'RUNTIME_DEFAULT') return '';
  return name.replace('PLUS', '+').replace('MINUS', '-');
}

/** The CRI's number for a signal's name; RUNTIME_DEFAULT for one that it has no number for. */
export function signalValue(name: string): Signal {
  const upper = name.toUpperCase();
  const full = (upper.startsWith('SIG') ? upper : `SIG${upper}`)
    .replace('+', 'PLUS')
    .replace('-', 'MINUS');
  return new Map<string, Signal>(Object.entries(Signal)).get(full) ?? Signal.RUNTIME_DEFAULT;
}
