import * as v from 'valibot';
import { Fault } from '#errors/fault.ts';

const id = v.pipe(v.number(), v.integer(), v.minValue(0));

const edits = v.object({
  env: v.optional(v.array(v.pipe(v.string(), v.includes('=', 'must be NAME=value'))), []),
  deviceNodes: v.optional(
    v.array(
      v.object({
        path: v.string(),
        /** On the node; the same as in the container when absent. */
        hostPath: v.optional(v.string()),
        /** Together with `major` what makes a device that the node need not have at the path. */
        type: v.optional(v.picklist(['b', 'c', 'u', 'p'])),
        major: v.optional(id),
        minor: v.optional(id),
        permissions: v.optional(
          v.pipe(v.string(), v.regex(/^([rwm]*|none)$/, 'must be of r, w and m, or "none"')),
        ),
        fileMode: v.optional(id),
        uid: v.optional(id),
        gid: v.optional(id),
      }),
    ),
    [],
  ),
  mounts: v.optional(
    v.array(
      v.object({
        hostPath: v.string(),
        containerPath: v.string(),
        type: v.optional(v.string()),
        options: v.optional(v.array(v.string()), []),
      }),
    ),
    [],
  ),
  hooks: v.optional(
    v.array(
      v.object({
        hookName: v.picklist([
          'prestart',
          'createRuntime',
          'createContainer',
          'startContainer',
          'poststart',
          'poststop',
        ]),
        path: v.string(),
        args: v.optional(v.array(v.string())),
        env: v.optional(v.array(v.string())),
        timeout: v.optional(id),
      }),
    ),
    [],
  ),
  additionalGids: v.optional(v.array(id), []),
  // Without them, a container would not have its device, and nobody would say so.
  netDevices: v.optional(v.pipe(v.array(v.unknown()), v.length(0, 'cannot be given yet')), []),
});

const schema = v.object({
  cdiVersion: v.string(),
  kind: v.pipe(
    v.string(),
    v.regex(/^[a-zA-Z][\w.-]*\/[a-zA-Z][\w.-]*$/, 'must be of the form vendor/class'),
  ),
  containerEdits: v.optional(edits, {}),
  devices: v.array(v.object({ name: v.string(), containerEdits: v.optional(edits, {}) })),
});

/**
 * A Container Device Interface specification: what a vendor's devices need in a container
 * (cncf-tags/container-device-interface, SPEC.md).
 */
export type CdiSpec = v.InferOutput<typeof schema>;

export type ContainerEdits = v.InferOutput<typeof edits>;

/** Checks a parsed specification file. `invalid-argument` with the path of each field that is wrong. */
export function parseCdiSpec(value: unknown): CdiSpec {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`);
  throw new Fault('invalid-argument', problems.join('; '));
}
