import { expect, it } from 'vitest';
import { judge, missingSpecs, type Ratchet, type Spec, tighten } from './conformance-ratchet.ts';

const ratchet: Ratchet = {
  excluded: {},
  mayFail: { exec: 'no streaming yet', attach: 'no streaming yet' },
  notWith: { runc: { remove: 'it cannot' } },
  mustPass: ['start', 'stop', 'remove'],
};

function spec(name: string, outcome: Spec['outcome']): Spec {
  return { name, outcome, message: '' };
}

function names(specs: readonly Spec[]): string[] {
  return specs.map(({ name }) => name);
}

it('judge finds broken what had to pass and did not, failed or skipped', () => {
  const verdict = judge(ratchet, 'crun', [
    spec('start', 'passed'),
    spec('stop', 'failed'),
    spec('remove', 'skipped'),
  ]);
  expect(names(verdict.passed)).toEqual(['start']);
  expect(names(verdict.broken)).toEqual(['stop', 'remove']);
  expect(verdict.skipped).toEqual([]);
});

it('judge lets a handler skip what it cannot do, but not fail it', () => {
  const skipped = judge(ratchet, 'runc', [spec('remove', 'skipped'), spec('stop', 'skipped')]);
  expect(names(skipped.skipped)).toEqual(['remove']);
  expect(names(skipped.broken)).toEqual(['stop']);
  expect(names(judge(ratchet, 'runc', [spec('remove', 'failed')]).broken)).toEqual(['remove']);
});

it('judge tells failures that nobody expects from those that wait', () => {
  const verdict = judge(ratchet, 'crun', [
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
  expect(names(judge(ratchet, 'crun', missingSpecs(ratchet, specs)).broken)).toEqual(['remove']);
});

it('tighten makes what passed obligatory and keeps what was left out of the run', () => {
  const verdict = judge(ratchet, 'crun', [spec('exec', 'passed'), spec('new', 'passed')]);
  expect(names(verdict.gained)).toEqual(['exec', 'new']);
  expect(tighten(ratchet, verdict)).toEqual({
    ...ratchet,
    mayFail: { attach: 'no streaming yet' },
    mustPass: ['exec', 'new', 'remove', 'start', 'stop'],
  });
});
