import { expect, it } from 'vitest';
import { judge, missingSpecs, type Ratchet, type Spec, tighten } from './conformance-ratchet.ts';

const ratchet: Ratchet = {
  excluded: {},
  mayFail: { exec: 'no streaming yet', attach: 'no streaming yet' },
  mustPass: ['start', 'stop', 'remove'],
};

function spec(name: string, outcome: Spec['outcome']): Spec {
  return { name, outcome, message: '' };
}

function names(specs: readonly Spec[]): string[] {
  return specs.map(({ name }) => name);
}

it('judge finds broken what had to pass and did not, failed or skipped', () => {
  const verdict = judge(ratchet, [
    spec('start', 'passed'),
    spec('stop', 'failed'),
    spec('remove', 'skipped'),
  ]);
  expect(names(verdict.passed)).toEqual(['start']);
  expect(names(verdict.broken)).toEqual(['stop', 'remove']);
  expect(verdict.skipped).toEqual([]);
});

it('judge tells failures that nobody expects from those that wait', () => {
  const verdict = judge(ratchet, [
    spec('exec', 'failed'),
    spec('stats', 'failed'),
    spec('selinux', 'skipped'),
  ]);
  expect(names(verdict.awaited)).toEqual(['exec']);
  expect(names(verdict.broken)).toEqual(['stats']);
  expect(names(verdict.skipped)).toEqual(['selinux']);
});

it('missingSpecs finds what a whole run should have had', () => {
  const specs = [spec('start', 'passed'), spec('stop', 'failed')];
  expect(names(missingSpecs(ratchet, specs))).toEqual(['remove']);
  expect(names(judge(ratchet, missingSpecs(ratchet, specs)).broken)).toEqual(['remove']);
});

it('tighten makes what passed obligatory and keeps what was left out of the run', () => {
  const verdict = judge(ratchet, [spec('exec', 'passed'), spec('new', 'passed')]);
  expect(names(verdict.gained)).toEqual(['exec', 'new']);
  expect(tighten(ratchet, verdict)).toEqual({
    excluded: {},
    mayFail: { attach: 'no streaming yet' },
    mustPass: ['exec', 'new', 'remove', 'start', 'stop'],
  });
});
