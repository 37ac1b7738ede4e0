/**
 * The images that critest names, made of programs of this machine: what they do where critest looks is
 * what the originals do.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildImage, buildLayer, type Image, type ImageDefaults } from '#harness/image.ts';
import { push } from '#harness/registry.ts';
import type { TarEntry } from '#harness/tar.ts';

/**
 * Debian's busybox of the package without -static: its shell runs the programs on PATH, where that of
 * busybox-static prefers what it has built in, so that a masked /bin/ls would not show.
 */
const busybox = fileURLToPath(new URL('../.tools/busybox/bin/busybox', import.meta.url));

/** The repositories of gcr.io, registry.k8s.io and k8s.gcr.io are apart: one registry can be all. */
const testImages = 'k8s-staging-cri-tools';
const endToEnd = 'e2e-test-images';

/** The hosts that critest pulls from. */
export const imageHosts = ['registry.k8s.io', 'k8s.gcr.io', 'gcr.io'] as const;

/** Builds all images and pushes them to the registry at `host`. */
export async function pushImages(host: string): Promise<void> {
  for (const [name, image] of Object.entries(images())) await push(host, image, name);
}

/** By repository and tag. */
function images(): Record<string, Image> {
  const base = baseEntries();
  const layer = buildLayer(base);
  const image = (entries: readonly TarEntry[], defaults: ImageDefaults = {}) =>
    buildImage(entries.length === 0 ? [layer] : [layer, buildLayer(entries)], {
      Cmd: ['sh'],
      ...defaults,
    });
  const marked = (name: string) => image([{ type: 'file', path: name, content: '' }]);
  const tags = marked('same-image');
  return {
    'pause:3.9': image([], { Entrypoint: ['sleep', '100000'] }),
    [`${endToEnd}/busybox:1.29-2`]: image([]),
    [`${endToEnd}/nginx:1.14-2`]: webServer(image, 'nginx', 80),
    [`${endToEnd}/httpd:2.4.39-4`]: webServer(image, 'httpd', 80),
    [`${endToEnd}/nonewprivs:1.3`]: image(setuidProgram(), { Entrypoint: showEffectiveUid }),
    [`${testImages}/hostnet-nginx-${goArchitecture}`]: webServer(image, 'nginx', 12_003),
    [`${testImages}/test-image-user-uid`]: image([], { User: '1002' }),
    [`${testImages}/test-image-user-username`]: image([], { User: 'www-data' }),
    [`${testImages}/test-image-user-uid-group`]: image([], { User: '1003:1004' }),
    [`${testImages}/test-image-user-username-group`]: image([], { User: 'www-data:1004' }),
    [`${testImages}/test-image-predefined-group`]: image(accounts(defaultUser), { User: '1000' }),
    [`${testImages}/test-image-latest`]: marked('test-image-latest'),
    [`${testImages}/test-image-1`]: marked('test-image-1'),
    [`${testImages}/test-image-2`]: marked('test-image-2'),
    [`${testImages}/test-image-3`]: marked('test-image-3'),
    [`${testImages}/test-image-tag:test`]: marked('test'),
    [`${testImages}/test-image-tag:all`]: marked('all'),
    [`${testImages}/test-image-tags:1`]: tags,
    [`${testImages}/test-image-tags:2`]: tags,
    [`${testImages}/test-image-tags:3`]: tags,
  };
}

const goArchitecture = process.arch === 'x64' ? 'amd64' : process.arch;

const users = {
  passwd:
    'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\nnobody:x:65534:65534::/:/bin/false\n',
  group: 'root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n',
};
const defaultUser = {
  passwd: `${users.passwd}default-user:x:1000:1000::/home:/bin/sh\n`,
  group: `${users.group}default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n`,
};

function accounts({ passwd, group }: typeof users): TarEntry[] {
  return [
    { type: 'file', path: 'etc/passwd', content: passwd },
    { type: 'file', path: 'etc/group', content: group },
  ];
}

/** busybox, its applets as hard links so that one can be masked alone, and two programs it lacks. */
function baseEntries(): TarEntry[] {
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const folders = ['bin', 'dev', 'etc', 'home', 'lib', 'proc', 'root', 'run', 'sys', 'usr', 'var'];
  return unique([
    ...[...folders, 'lib64', 'usr/bin', 'usr/sbin', 'www'].map(folder),
    { ...folder('tmp'), mode: 0o1777 },
    { type: 'symlink', path: 'var/run', target: '/run' },
    ...program(busybox, 'bin/busybox'),
    ...applets
      .filter((applet) => applet !== 'busybox')
      .map((applet): TarEntry => ({
        type: 'hardlink',
        path: `bin/${applet}`,
        target: 'bin/busybox',
      })),
    ...program('/usr/bin/pgrep', 'usr/bin/pgrep'),
    ...program('/usr/bin/ipcs', 'usr/bin/ipcs'),
    ...accounts(users),
  ]);
}

function folder(path: string): TarEntry {
  return { type: 'directory', path: `${path}/` };
}

/** The program at `source` as `path`, and the libraries that it is linked with where it looks for them. */
function program(source: string, path: string, mode = 0o755): TarEntry[] {
  const libraries = execFileSync('ldd', [source], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g);
  return [
    { type: 'file', path, mode, content: readFileSync(source) },
    ...[...libraries].flatMap(([, library = '']): TarEntry[] => [
      ...foldersAbove(library.slice(1)),
      {
        type: 'file',
        path: library.slice(1),
        mode: 0o755,
        content: readFileSync(realpathSync(library)),
      },
    ]),
  ];
}

function foldersAbove(path: string): TarEntry[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => folder(parts.slice(0, index + 1).join('/')));
}

function unique(entries: readonly TarEntry[]): TarEntry[] {
  return [...new Map(entries.map((entry) => [entry.path, entry])).values()];
}

/**
 * busybox's httpd behind a script that goes by the server's name: it writes its pid where nginx does,
 * and its first process says "master process", as nginx's does.
 */
function webServer(
  image: (entries: readonly TarEntry[], defaults: ImageDefaults) => Image,
  name: string,
  port: number,
): Image {
  const script = `#!/bin/sh
trap 'exit 0' TERM QUIT
echo $$ >/run/${name}.pid
echo "${name}: serving port ${port}"
busybox httpd -f -p ${port} -h /www &
wait
`;
  return image(
    [
      { type: 'file', path: `usr/sbin/${name}`, mode: 0o755, content: script },
      { type: 'file', path: 'www/index.html', content: `<h1>${name}</h1>\n` },
    ],
    { Entrypoint: [`/usr/sbin/${name}`, 'master process'], Cmd: [] },
  );
}

/** id(1) as a program that runs with its owner's rights. */
function setuidProgram(): TarEntry[] {
  return program('/usr/bin/id', 'usr/bin/effective-id', 0o4755);
}

const showEffectiveUid = ['sh', '-c', 'echo "Effective uid: $(effective-id -u)"'];
