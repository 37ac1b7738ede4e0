import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newContainerId } from './id.ts';
import type { OciRuntime } from './oci-runtime.ts';
import { SeccompFilters } from './seccomp-filters.ts';
import { defaultSeccomp } from './spec/seccomp.ts';

let runtime: OciRuntime;
beforeEach(() => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-filters-'));
  const features = { recursiveReadOnlyMounts: true, userNamespaces: true, rdt: false };
  const crun = { name: 'crun', path: '/usr/bin/crun', kind: 'crun', options: [] } as const;
  runtime = { ...crun, root, cgroupDriver: 'cgroupfs', features };
});
afterEach(() => rmSync(runtime.root, { recursive: true }));

const profile = defaultSeccomp([], 'x64');

/** What crun leaves of a container that it has created. */
function compile(id: string, filter: string): void {
  mkdirSync(join(runtime.root, id));
  writeFileSync(join(runtime.root, id, 'seccomp.bpf'), filter);
}

it('gives the filter that one container brought to the next with the same profile', () => {
  const filters = new SeccompFilters();
  const first = newContainerId();
  expect(filters.annotations(first, runtime, profile)).toEqual({});
  compile(first, 'filter');
  filters.learn(first, runtime);
  expect(filters.annotations(newContainerId(), runtime, profile)).toEqual({
    'run.oci.seccomp_bpf_data': Buffer.from('filter').toString('base64'),
  });
  const other = defaultSeccomp(['CAP_SYS_ADMIN'], 'x64');
  expect(filters.annotations(newContainerId(), runtime, other)).toEqual({});
});

it('learns nothing where there is no filter', () => {
  const filters = new SeccompFilters();
  const id = newContainerId();
  filters.annotations(id, runtime, profile);
  filters.learn(id, runtime);
  expect(filters.annotations(newContainerId(), runtime, profile)).toEqual({});
});

it('leaves alone other runtimes, and profiles that open a listener', () => {
  const filters = new SeccompFilters();
  const id = newContainerId();
  compile(id, 'filter');
  for (const [other, wanted] of [
    [{ ...runtime, kind: 'other' }, profile],
    [runtime, { ...profile, listenerPath: '/run/listener' }],
    [runtime, undefined],
  ] as const) {
    filters.annotations(id, other, wanted);
    filters.learn(id, other);
    expect(filters.annotations(newContainerId(), other, wanted)).toEqual({});
  }
});
