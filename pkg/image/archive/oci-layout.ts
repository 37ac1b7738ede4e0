import * as v from 'valibot';
import { descriptorSchema, parseAs } from '#image/documents.ts';
import { type ArchiveFiles, readDocument } from './archive-files.ts';
import type { NamedTarget } from './archived-images.ts';

/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */

const indexSchema = v.object({
  manifests: v.array(
    v.object({
      ...descriptorSchema.entries,
      annotations: v.optional(v.record(v.string(), v.string()), {}),
    }),
  ),
});

/** What the index of an OCI image layout lists; several names of one thing are put together. */
export function targetsOfLayout(files: ArchiveFiles): NamedTarget[] {
  const { manifests } = parseAs(indexSchema, readDocument(files.get('index.json')));
  const targets = new Map<string, NamedTarget>();
  for (const { annotations, mediaType, digest, size } of manifests) {
    const names = [...(targets.get(digest)?.names ?? []), ...nameFrom(annotations)];
    targets.set(digest, { target: { mediaType, digest, size }, names });
  }
  return [...targets.values()];
}

/** The second annotation may be a whole name, as skopeo writes it, or a tag alone, as others do. */
function nameFrom(annotations: Readonly<Record<string, string>>): string[] {
  const whole = annotations['io.containerd.image.name'];
  const name = whole ?? annotations['org.opencontainers.image.ref.name'] ?? '';
  return whole !== undefined || /[/:]/.test(name) ? [name] : [];
}
