import type { Descriptor } from '#api/oci/image.ts';
import { Fault } from '#errors/fault.ts';
import { digestMismatch } from '#image/digest.ts';
import { documentMediaType } from '#image/documents.ts';
import { parseReference, type Reference } from '#image/reference.ts';
import { machineArchitecture } from '#image/platform.ts';
import { type ImagePlan, resolveImage } from '#image/registry/resolve.ts';
import { type ArchiveFiles, readDocument, refused } from './archive-files.ts';
import { targetsOfDockerArchive } from './docker-archive.ts';
import { targetsOfLayout } from './oci-layout.ts';

/** A manifest or an index of an archive, and what the archive calls it. */
export type NamedTarget = { readonly target: Descriptor; readonly names: readonly string[] };

export type ArchivedImage = { readonly reference: Reference; readonly plan: ImagePlan };

/**
 * The images of an archive, once for each of their names, or by `name` alone when it is given.
 * Newer versions of Docker write both formats into one archive; then the layout counts, as it has
 * the manifests that registries know.
 */
export async function imagesOf(
  files: ArchiveFiles,
  name: Reference | undefined,
  signal: AbortSignal,
): Promise<ArchivedImage[]> {
  const targets = targetsOf(files);
  const images: ArchivedImage[] = [];
  for (const { reference, target } of named(targets, name)) {
    const { digest } = reference;
    if (digest !== undefined && digest !== target.digest) {
      throw digestMismatch('image', digest, target.digest);
    }
    const documents = documentsOf(files, target);
    images.push({
      reference,
      plan: await resolveImage(documents, machineArchitecture(), signal),
    });
  }
  return images;
}

function targetsOf(files: ArchiveFiles): NamedTarget[] {
  if (files.find('oci-layout') && files.find('index.json')) return targetsOfLayout(files);
  if (files.find('manifest.json')) return targetsOfDockerArchive(files);
  throw refused('it is neither an OCI image layout nor a docker-archive');
}

function named(targets: readonly NamedTarget[], name: Reference | undefined) {
  const [first, ...others] = targets;
  if (first === undefined) throw refused('there is no image in it');
  if (name !== undefined && others.length === 0) return [{ reference: name, target: first.target }];
  if (name !== undefined) {
    const sentence = `there are ${targets.length} images in it, which cannot all have one name`;
    throw new Fault('invalid-argument', sentence);
  }
  const all = targets.flatMap(({ names, target }) =>
    names.map((each) => ({ reference: parseReference(each), target })),
  );
  if (all.length > 0) return all;
  throw new Fault('invalid-argument', 'it does not say what its image is called: give it a name');
}

function documentsOf(files: ArchiveFiles, target: Descriptor): Parameters<typeof resolveImage>[0] {
  return {
    target: async () => {
      const bytes = readDocument(files.blob(target));
      const mediaType = documentMediaType(bytes) ?? target.mediaType;
      return { descriptor: { ...target, mediaType }, bytes };
    },
    document: async (descriptor) => ({ descriptor, bytes: readDocument(files.blob(descriptor)) }),
  };
}
