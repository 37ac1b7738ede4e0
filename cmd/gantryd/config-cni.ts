import { isAbsolute } from 'node:path';
import * as v from 'valibot';

const absolute = v.pipe(v.string(), v.check(isAbsolute, 'must be an absolute path'));
/** The folders become one variable, in which `:` parts them. */
const pluginFolder = v.pipe(
  absolute,
  v.check((path) => !path.includes(':'), 'must be a path without a colon'),
);

/** Networks that plugins make. */
export const cniSchema = v.strictObject({
  conf_dir: v.optional(absolute, '/etc/cni/net.d'),
  bin_dirs: v.optional(v.pipe(v.array(pluginFolder), v.minLength(1, 'must name a folder')), [
    '/opt/cni/bin',
    '/usr/lib/cni',
  ]),
  cache_dir: v.optional(absolute),
  timeout_seconds: v.optional(
    v.pipe(
      v.number(),
      v.minValue(1, 'must be 1 or more'),
      v.maxValue(3600, 'must be 3600 or less'),
    ),
    60,
  ),
});
