import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type LayerShape,
  layerShapes,
  makeLayerTree,
  packTree,
} from '#image/testdata/layer-shapes.ts';
import { openTestImages } from '#image/testdata/open-images.ts';
import { serving, startFake } from '#image/testdata/fake-registry.ts';
import { type SeenEntry, treeOf } from '#image/testdata/tree-of.ts';
import { blobOf, descriptorOf, digestOf, type TestImage } from '#image/testdata/test-image.ts';

/** Layers as real images have them, pulled, against what GNU tar makes of the same archives. */

const scale = 0.02;
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'gantry-shapes-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

it.each(layerShapes)('a layer of the shape "%s" is unpacked as by GNU tar', async (shape) => {
  const archive = makeArchive(shape);
  const expected = withWhiteouts(treeOf(unpackWithTar(archive)));
  await using opened = await openTestImages();
  await using registry = await startFake(serving(imageOf(readFileSync(archive))));
  await opened.images.pull(`${registry.host}/test:v1`, {}, new AbortController().signal);
  const actual = treeOf(join(opened.root, 'snapshots/1/fs'));
  expect(Object.keys(actual).length).toBeGreaterThan(9);
  expect(withoutTimesOfWhiteouts(actual)).toEqual(expected);
});

function makeArchive(shape: LayerShape): string {
  const [tree, archive] = [join(scratch, shape), join(scratch, `${shape}.tar`)];
  mkdirSync(tree);
  makeLayerTree(shape, tree, scale);
  packTree(tree, archive);
  return archive;
}

function unpackWithTar(archive: string): string {
  const directory = `${archive}.expected`;
  mkdirSync(directory);
  const options = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '-xpf', archive];
  execFileSync('tar', ['-C', directory, ...options]);
  return directory;
}

function imageOf(archive: Buffer): TestImage {
  const layer = blobOf('application/vnd.oci.image.layer.v1.tar+zstd', zstdCompressSync(archive));
  const config = blobOf('application/vnd.oci.image.config.v1+json', {
    rootfs: { type: 'layers', diff_ids: [digestOf(archive)] },
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const [configuration, layers] = [descriptorOf(config), [descriptorOf(layer)]];
  const manifest = blobOf(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: configuration,
    layers,
  });
  return { manifest, config, layers: [layer] };
}

const whiteout = {
  type: 0o020_000,
  mode: '0',
  owner: '0:0',
  modified: 'when it was made',
  xattrs: {},
  device: 0,
  links: 1,
  content: '',
};

/** What tar takes for files, as overlayfs wants it (image-spec/layer.md, whiteouts). */
function withWhiteouts(tree: Record<string, SeenEntry>): Record<string, SeenEntry> {
  const entries = Object.entries(tree).flatMap(([path, entry]): [string, SeenEntry][] => {
    const [, directory = '', name] = /^(.*\/)?\.wh\.([^/]+)$/.exec(path) ?? [];
    if (name === undefined) return [[path, isOpaque(tree, path) ? opaque(entry) : entry]];
    return name === '.wh..opq' ? [] : [[directory + name, whiteout]];
  });
  return Object.fromEntries(entries);
}

function isOpaque(tree: Record<string, SeenEntry>, path: string): boolean {
  return `${path}/.wh..wh..opq` in tree;
}

function opaque(entry: SeenEntry): SeenEntry {
  return { ...entry, xattrs: { ...entry.xattrs, 'trusted.overlay.opaque': 'y' } };
}

function withoutTimesOfWhiteouts(tree: Record<string, SeenEntry>): Record<string, SeenEntry> {
  const { modified } = whiteout;
  const isWhiteout = ({ type, device }: SeenEntry) => type === whiteout.type && device === 0;
  const entries = Object.entries(tree).map(([path, entry]): [string, SeenEntry] => [
    path,
    isWhiteout(entry) ? { ...entry, modified } : entry,
  ]);
  return Object.fromEntries(entries);
}
