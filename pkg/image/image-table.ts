import { Fault } from '#errors/fault.ts';
import type { Log } from '#log/log.ts';
import type { Database } from '#store/database.ts';
import { RecordTable } from '#store/record-table.ts';
import type { Descriptor } from '#api/oci/image.ts';
import { type Image, type ImageContent, imageOf, type ImageRecord } from './image.ts';
import { formatReference, nameOf, parseReference, type Reference } from './reference.ts';
import type { ImagePlan } from './registry/resolve.ts';

export type PulledImage = {
  readonly reference: Reference;
  readonly plan: ImagePlan;
  readonly chainIds: readonly string[];
};

/** What an image was pulled as, and the names of that. */
export type NamedContent = {
  readonly imageId: string;
  /** Its tags; without any, its name with its digest. */
  readonly names: readonly string[];
  readonly content: ImageContent;
};

/** The images that are complete, by id and by all of their names. Kept in memory and in the database. */
export class ImageTable {
  readonly #database: Database;
  readonly #table: RecordTable<ImageRecord>;
  readonly #records = new Map<string, ImageRecord>();
  #names: ReadonlyMap<string, string> = new Map();
  #images: ReadonlyMap<string, Image> = new Map();

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#table = new RecordTable(database, 'images', ['tags', 'contents', 'config', 'chainIds']);
    const { records, broken } = this.#table.load();
    for (const record of broken) log.warn(record, 'image record is not readable');
    for (const record of records) this.#records.set(record.id, record);
    this.#refresh();
  }

  list(): readonly Image[] {
    return [...this.#images.values()];
  }

  /** By name, by id, or by the beginning of one id, with or without `sha256:`. */
  find(text: string): Image | undefined {
    const named = this.#names.get(canonicalName(text) ?? '');
    if (named !== undefined) return this.#images.get(named);
    const digits = text.replace(/^sha256:/, '');
    if (!/^[0-9a-f]+$/.test(digits)) return undefined;
    const matching = this.list().filter(({ id }) => id.startsWith(`sha256:${digits}`));
    return matching.length === 1 ? matching[0] : undefined;
  }

  /** As `find`; throws `not-found` where there is none. */
  get(text: string): Image {
    const image = this.find(text);
    if (image !== undefined) return image;
    throw new Fault('not-found', `image "${text}" is not on this node`);
  }

  /** What a name stands for; by id, what the image was pulled as first. Throws as `get` does. */
  contentOf(text: string): NamedContent {
    const { id: imageId, tags, contents } = this.#recordOf(this.get(text));
    const name = canonicalName(text) ?? '';
    const [first = ''] = Object.keys(contents);
    const key = tags[name] ?? (name in contents ? name : first);
    const content = contents[key];
    if (content === undefined) throw new Fault('internal', `the record of "${text}" is torn`);
    const tagged = Object.keys(tags).filter((tag) => tags[tag] === key);
    const names = name in tags ? [name] : tagged.length > 0 ? tagged : [key];
    return { imageId, names, content };
  }

  /** All blobs of all images. */
  blobs(): Descriptor[] {
    return [...this.#records.values()]
      .flatMap(({ contents }) => Object.values(contents))
      .flatMap(({ blobs }) => blobs);
  }

  /** What each tag stands for, and by digest what no tag does. */
  targets(): { readonly name: string; readonly target: Descriptor }[] {
    return [...this.#records.values()].flatMap(({ tags, contents }) => {
      const tagged = Object.entries(tags);
      const untagged = Object.keys(contents).filter((key) => !tagged.some(([, of]) => of === key));
      return [...tagged, ...untagged.map((key): [string, string] => [key, key])].flatMap(
        ([name, key]) => {
          const target = contents[key]?.target;
          return target === undefined ? [] : [{ name, target }];
        },
      );
    });
  }

  /** Enters an image under the name it was pulled by; a tag leaves the image that it stood for. */
  put(pulled: PulledImage): Image {
    return this.#enter(recordOf(pulled, this.#records.get(pulled.plan.imageId)));
  }

  /** Gives what a name or an id stands for one more tag. */
  tag(text: string, reference: Reference): Image {
    const { content } = this.contentOf(text);
    const record = this.#recordOf(this.get(text));
    const key = `${nameOf(reference)}@${content.target.digest}`;
    const contents = { ...record.contents, [key]: content };
    return this.#enter({
      ...record,
      contents,
      tags: { ...record.tags, [entryName(reference)]: key },
    });
  }

  /** Removes an image with all of its names. Succeeds when there is none. */
  delete(id: string): void {
    this.#table.delete(id);
    this.#records.delete(id);
    this.#refresh();
  }

  #recordOf({ id }: Image): ImageRecord {
    const record = this.#records.get(id);
    if (record === undefined) throw new Fault('internal', `image "${id}" has no record`);
    return record;
  }

  #enter(record: ImageRecord): Image {
    const moved = [...this.#records.values()]
      .filter(
        ({ id, tags }) => id !== record.id && Object.keys(record.tags).some((tag) => tag in tags),
      )
      .map((other) => withoutTags(other, record.tags));
    const changed = [...moved, record];
    this.#database.transaction(() => changed.forEach((each) => this.#table.put(each)));
    for (const each of changed) this.#records.set(each.id, each);
    this.#refresh();
    return imageOf(record);
  }

  #refresh(): void {
    const images = Array.from(this.#records.values(), imageOf);
    const sorted = images.toSorted((a, b) => (firstName(a) < firstName(b) ? -1 : 1));
    this.#images = new Map(sorted.map((image) => [image.id, image]));
    this.#names = new Map(
      images.flatMap(({ id, repoTags, repoDigests }) =>
        [...repoTags, ...repoDigests].map((each): [string, string] => [each, id]),
      ),
    );
  }
}

function firstName({ repoTags, repoDigests }: Image): string {
  return repoTags[0] ?? repoDigests[0] ?? '';
}

/** The name under which an image is entered: by its digest, if the reference has one. */
function entryName(reference: Reference): string {
  const { tag, digest } = reference;
  return formatReference({ ...reference, tag: digest === undefined ? tag : undefined });
}

function canonicalName(text: string): string | undefined {
  try {
    return entryName(parseReference(text));
  } catch {
    return undefined;
  }
}

function recordOf(
  { reference, plan, chainIds }: PulledImage,
  known: ImageRecord | undefined,
): ImageRecord {
  const key = `${nameOf(reference)}@${plan.target.digest}`;
  const blobs = [...plan.documents, ...plan.layers.map(({ blob }) => blob)];
  const config = plan.documents.find(({ digest }) => digest === plan.imageId);
  const sizes = plan.layers.map(({ blob }) => blob.size);
  return {
    id: plan.imageId,
    config: plan.config,
    chainIds,
    sizeBytes: sizes.reduce((sum, size) => sum + size, config?.size ?? 1),
    contents: { ...known?.contents, [key]: { target: plan.target, blobs, layers: plan.layers } },
    tags:
      reference.digest === undefined
        ? { ...known?.tags, [entryName(reference)]: key }
        : (known?.tags ?? {}),
  };
}

function withoutTags(record: ImageRecord, tags: ImageRecord['tags']): ImageRecord {
  const left = Object.entries(record.tags).filter(([tag]) => !(tag in tags));
  return { ...record, tags: Object.fromEntries(left) };
}
