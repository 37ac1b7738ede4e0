/** The layers that `hack/bench images` pulls, made once and kept in .cache. */
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress, constants } from 'node:zlib';
import {
  type LayerShape,
  layerShapes,
  makeLayerTree,
  packTree,
} from '#image/testdata/layer-shapes.ts';
import { digestOf, type Image, manifestType } from '#harness/image.ts';

export type Compression = 'gzip' | 'zstd';
/** A packed layer on the disk. */
export type BenchLayer = {
  readonly path: string;
  readonly digest: string;
  readonly diffId: string;
  readonly compression: Compression;
};

const packers = {
  gzip: { suffix: 'gz', create: () => createGzip({ level: 6 }) },
  zstd: {
    suffix: 'zst',
    create: () => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } }),
  },
} as const;

/** One layer of each shape. */
export type BenchLayers = Readonly<Record<LayerShape, Readonly<Record<Compression, BenchLayer>>>>;

/** Finds the layers in `directory`, or makes them, which takes a minute. */
export async function benchLayers(directory: string): Promise<BenchLayers> {
  const index = join(directory, 'layers.json');
  if (!existsSync(index)) {
    mkdirSync(directory, { recursive: true });
    const made: Partial<Record<LayerShape, BenchLayers[LayerShape]>> = {};
    for (const shape of layerShapes) made[shape] = await makeLayer(shape, directory);
    writeFileSync(`${index}.new`, JSON.stringify(made));
    renameSync(`${index}.new`, index);
  }
  return JSON.parse(readFileSync(index, 'utf8'));
}

async function makeLayer(shape: LayerShape, directory: string): Promise<BenchLayers[LayerShape]> {
  console.error(`making the layer "${shape}"`);
  const [tree, archive] = [join(directory, `${shape}.tree`), join(directory, `${shape}.tar`)];
  await rm(tree, { recursive: true, force: true });
  mkdirSync(tree);
  makeLayerTree(shape, tree, 1);
  packTree(tree, archive);
  const diffId = await digestOfFile(archive);
  const pack = async (compression: Compression): Promise<BenchLayer> => {
    const { suffix, create } = packers[compression];
    const path = `${archive}.${suffix}`;
    await pipeline(createReadStream(archive), create(), createWriteStream(path));
    return { path, digest: await digestOfFile(path), diffId, compression };
  };
  return { gzip: await pack('gzip'), zstd: await pack('zstd') };
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest('hex')}`;
}

/** An image of these layers, the lowest first, to be pushed. */
export function benchImage(layers: readonly BenchLayer[]): Image {
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    }),
  );
  const blobs = layers.map(({ path, ...layer }) => ({ ...layer, blob: readFileSync(path) }));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: digestOf(config),
        size: config.length,
      },
      layers: blobs.map(({ digest, blob, compression }) => ({
        mediaType: `application/vnd.oci.image.layer.v1.tar+${compression}`,
        digest,
        size: blob.length,
      })),
    }),
  );
  return { layers: blobs, config, id: digestOf(config), manifest, digest: digestOf(manifest) };
}
