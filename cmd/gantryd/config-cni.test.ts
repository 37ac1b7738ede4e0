import { expect, it } from 'vitest';
import * as v from 'valibot';
import { cniSchema } from './config-cni.ts';

it('cniSchema has defaults for all but the folder of the records, which is in root', () => {
  expect(v.parse(cniSchema, {})).toEqual({
    conf_dir: '/etc/cni/net.d',
    bin_dirs: ['/opt/cni/bin', '/usr/lib/cni'],
    timeout_seconds: 60,
  });
});

it.each([
  [{ conf_dir: 'net.d' }, 'must be an absolute path'],
  [{ bin_dirs: [] }, 'must name a folder'],
  [{ bin_dirs: ['bin'] }, 'must be an absolute path'],
  [{ bin_dirs: ['/a:/b'] }, 'must be a path without a colon'],
  [{ cache_dir: '' }, 'must be an absolute path'],
  [{ timeout_seconds: 0 }, 'must be 1 or more'],
  [{ timeout_seconds: 1e9 }, 'must be 3600 or less'],
])('cniSchema refuses %j', (given, message) => {
  expect(() => v.parse(cniSchema, given)).toThrow(message);
});
