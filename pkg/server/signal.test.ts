import { expect, it } from 'vitest';
import { Signal } from '#api/cri/v1/types.ts';
import { signalName, signalValue } from './signal.ts';

it.each([
  ['SIGQUIT', Signal.SIGQUIT],
  ['quit', Signal.SIGQUIT],
  ['SIGRTMIN+3', Signal.SIGRTMINPLUS3],
  ['15', Signal.SIGTERM],
  ['37', Signal.SIGRTMINPLUS3],
  ['63', Signal.SIGRTMAXMINUS1],
  ['99', Signal.RUNTIME_DEFAULT],
  ['', Signal.RUNTIME_DEFAULT],
])('signalValue(%j) is %d', (name, value) => {
  expect(signalValue(name)).toBe(value);
});

it('has each signal of the CRI come back as it was', () => {
  for (const value of Object.values(Signal)) expect(signalValue(signalName(value))).toBe(value);
});
