import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { tar, type TarEntry } from './tar.ts';

/** A layer as a registry has it, and the digest of its uncompressed form. */
export type Layer = { readonly blob: Buffer; readonly digest: string; readonly diffId: string };

/** The `config` object of an image (image-spec/config.md). */
export type ImageDefaults = {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
  readonly Volumes?: Readonly<Record<string, object>>;
};

/** An image in memory. `id` is the digest of its configuration, as the CRI names images. */
export type Image = {
  readonly layers: readonly Layer[];
  readonly config: Buffer;
  readonly id: string;
  readonly manifest: Buffer;
  readonly digest: string;
};

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const architectures: Partial<Record<NodeJS.Architecture, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
};

export function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A gzipped layer of `entries`. A whiteout is a file named `.wh.<name>` (image-spec/layer.md). */
export function buildLayer(entries: readonly TarEntry[]): Layer {
  const archive = tar(entries);
  const blob = gzipSync(archive, { level: 1 });
  return { blob, digest: digestOf(blob), diffId: digestOf(archive) };
}

/** An image of `layers`, lowest first, for this machine's architecture. */
export function buildImage(layers: readonly Layer[], defaults: ImageDefaults = {}): Image {
  const config = Buffer.from(
    JSON.stringify({
      architecture: architectures[process.arch],
      os: 'linux',
      config: defaults,
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: configType, digest: digestOf(config), size: config.length },
      layers: layers.map(({ blob, digest }) => ({
        mediaType: layerType,
        digest,
        size: blob.length,
      })),
    }),
  );
  return { layers, config, id: digestOf(config), manifest, digest: digestOf(manifest) };
}

/** A root file system with every applet of this machine's static busybox, some users and groups. */
export function busyboxEntries(): TarEntry[] {
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const folders = ['bin', 'dev', 'etc', 'home', 'proc', 'root', 'sys', 'var'];
  return [
    ...folders.map((path): TarEntry => ({ type: 'directory', path: `${path}/` })),
    { type: 'directory', path: 'tmp/', mode: 0o1777 },
    { type: 'file', path: 'bin/busybox', mode: 0o755, content: readFileSync('/bin/busybox') },
    ...applets
      .filter((applet) => applet !== 'busybox')
      .map((applet): TarEntry => ({ type: 'symlink', path: `bin/${applet}`, target: 'busybox' })),
    { type: 'file', path: 'etc/passwd', content: passwd },
    { type: 'file', path: 'etc/group', content: group },
  ];
}

export function busyboxLayer(): Layer {
  return buildLayer(busyboxEntries());
}

const passwd = 'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home:/bin/sh\n';
const group = 'root:x:0:\nalice:x:1000:\nstaff:x:50000:alice\n';
