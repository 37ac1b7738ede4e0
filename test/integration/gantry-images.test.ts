import { execa } from 'execa';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, inject } from 'vitest';
import { type Daemon, startDaemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import {
  askAdmin,
  gantry,
  gantryOutcome,
  launcher,
  skopeo,
  startGantry,
} from './harness/gantry.ts';
import { buildImage, buildLayer, busyboxLayer, type Image, manifestType } from './harness/image.ts';
import { containerConfig, runPod, runToEnd, uniqueName } from './harness/pods.ts';
import { push } from './harness/registry.ts';
import { tar } from './harness/tar.ts';
import { eventually } from './harness/wait.ts';

const { host } = inject('registry');

/** An image with a shell and a file `/name` that no other test has, in the registry. */
async function pushed() {
  const content = uniqueName('content');
  const layers = [busyboxLayer(), buildLayer([{ type: 'file', path: 'name', content }])];
  const image = buildImage(layers, { Cmd: ['/bin/cat', '/name'] });
  return { ...image, content, reference: await push(host, image, `${uniqueName('app')}:v1`) };
}

/** What a container of the image writes. */
async function outputOf(daemon: Daemon, image: string): Promise<string> {
  const pod = await runPod(daemon);
  return (await runToEnd(daemon.cri, pod, containerConfig(image))).stdout;
}

function fileIn({ place }: Daemon, name: string): string {
  return join(place.directory, `${uniqueName('archive')}-${name}`);
}

describe('gantry images', () => {
  test('takes what skopeo writes, runs it, and gives it back with its digest', async ({
    daemon,
  }) => {
    const { place } = daemon;
    const { reference, content, id, digest } = await pushed();
    const name = `registry.invalid/team/${uniqueName('app')}:v1`;
    const archive = fileIn(daemon, 'oci.tar');
    const source = ['--src-tls-verify=false', `docker://${reference}`];
    await skopeo('copy', ...source, `oci-archive:${archive}:${name}`);

    expect(await gantry(place, 'images', 'import', archive)).toBe(name);
    expect((await daemon.cri.imageStatus({ image: { image: name } })).image?.id).toBe(id);
    expect(await outputOf(daemon, name)).toBe(content);

    const exported = fileIn(daemon, 'exported.tar');
    await gantry(place, 'images', 'export', '-o', exported, name);
    const inspected = JSON.parse(await skopeo('inspect', `oci-archive:${exported}:${name}`));
    expect(inspected.Digest).toBe(digest);
    expect(existsSync(`${exported}.partial`)).toBe(false);
  });

  test('takes and gives docker-archives', async ({ daemon }) => {
    const { place } = daemon;
    const { reference, content, id } = await pushed();
    const name = `registry.invalid/team/${uniqueName('app')}:v1`;
    const archive = fileIn(daemon, 'docker.tar');
    const source = ['--src-tls-verify=false', `docker://${reference}`];
    await skopeo('copy', ...source, `docker-archive:${archive}:${name}`);
    expect(await gantry(place, 'images', 'import', archive)).toBe(name);
    expect(await outputOf(daemon, name)).toBe(content);

    const exported = fileIn(daemon, 'exported.tar');
    await gantry(place, 'images', 'export', '--format', 'docker', '-o', exported, id);
    const copy = `${host}/${uniqueName('copy')}:v1`;
    const target = ['--dest-tls-verify=false', `docker://${copy}`];
    await skopeo('copy', `docker-archive:${exported}:${name}`, ...target);
    await gantry(place, 'images', 'rm', name);
    await gantry(place, 'images', 'pull', copy);
    expect(await outputOf(daemon, copy)).toBe(content);
  });

  test.for([['gzip', gzipSync] as const, ['zstd', zstdCompressSync] as const])(
    'takes an archive compressed with %s from standard input, under another name',
    async ([, compress], { daemon }) => {
      const { reference, content } = await pushed();
      const archive = fileIn(daemon, 'oci.tar');
      const source = ['--src-tls-verify=false', `docker://${reference}`];
      await skopeo('copy', ...source, `oci-archive:${archive}:v1`);
      const name = `registry.invalid/${uniqueName('app')}:v2`;
      const importing = startGantry(daemon.place, 'images', 'import', '--name', name, '-');
      importing.stdin.end(compress(readFileSync(archive)));
      expect(await importing).toMatchObject({ exitCode: 0, stdout: name });
      expect(await outputOf(daemon, name)).toBe(content);
    },
  );

  test('brings images to a node that no registry can be reached from', async ({ daemon }) => {
    const images = [await pushed(), await pushed()];
    const names: string[] = [];
    for (const { reference } of images) {
      // Nobody listens there.
      const name = `127.0.0.1:9/${uniqueName('app')}:v1`;
      names.push(name);
      await gantry(daemon.place, 'images', 'pull', reference);
      await gantry(daemon.place, 'images', 'tag', reference, name);
    }
    const archive = fileIn(daemon, 'two.tar');
    await gantry(daemon.place, 'images', 'export', '-o', archive, ...names);

    await using island = await startDaemon();
    const imported = await gantry(island.place, 'images', 'import', archive);
    expect(imported.split('\n')).toEqual(names);
    await island.restart();
    for (const [n, { content, digest }] of images.entries()) {
      const name = names[n] ?? '';
      await expect(island.cri.pullImage({ image: { image: name } })).rejects.toThrow();
      expect(await outputOf(island, name)).toBe(content);
      expect(await outputOf(island, `${name.replace(':v1', '')}@${digest}`)).toBe(content);
    }
  });

  test('is killed during an import, and the next daemon knows nothing of it', async ({
    daemon,
  }) => {
    const { reference } = await pushed();
    await gantry(daemon.place, 'images', 'pull', reference);
    const archive = fileIn(daemon, 'oci.tar');
    await gantry(daemon.place, 'images', 'export', '-o', archive, reference);
    await gantry(daemon.place, 'images', 'rm', reference);
    const importing = startGantry(daemon.place, 'images', 'import', '-');
    const bytes = readFileSync(archive);
    importing.stdin.write(bytes.subarray(0, bytes.length / 2));
    const ingest = join(daemon.place.root, 'content/ingest');
    await eventually('the archive is arriving', () => readdirSync(ingest).length > 0);
    await daemon.kill();
    const { exitCode, stderr } = await importing;
    expect(exitCode).toBe(3);
    expect(stderr).toContain('gantryd went away before it was done');
    await daemon.start();
    expect(readdirSync(ingest)).toEqual([]);
    expect((await daemon.cri.imageStatus({ image: { image: reference } })).image).toBeNull();
    expect(await gantry(daemon.place, 'images', 'import', archive)).toBe(reference);
  });

  test('lists, tags and removes', async ({ daemon: { place, cri } }) => {
    const { reference, id } = await pushed();
    expect(await gantry(place, 'images', 'pull', reference)).toBe(id);
    const tag = `registry.invalid/${uniqueName('tagged')}:v9`;
    await gantry(place, 'images', 'tag', reference, tag);
    expect((await cri.imageStatus({ image: { image: tag } })).image?.id).toBe(id);
    const [heading, ...rows] = (await gantry(place, 'images', 'ls')).split('\n');
    expect(heading).toMatch(/^IMAGE\tID\tSIZE\tCREATED$/);
    for (const name of [reference, tag]) {
      expect(rows.find((row) => row.startsWith(`${name}\t`))).toContain(id.slice(7, 19));
    }
    const images = JSON.parse(await gantry(place, 'images', 'ls', '--json'));
    expect(images).toContainEqual(
      expect.objectContaining({ id, platform: expect.stringMatching(/^linux\//) }),
    );
    const removed = await gantry(place, 'images', 'rm', tag);
    expect(removed.split('\n').toSorted()).toEqual([reference, tag].toSorted());
    expect((await cri.imageStatus({ image: { image: reference } })).image).toBeNull();
  });
});

/** A registry of one image that holds its last layer back, at the half of it, until told to go on. */
async function startSlowRegistry(image: Image) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const last = image.layers.at(-1);
  const blobs = new Map(image.layers.map(({ digest, blob }) => [digest, blob]));
  blobs.set(image.id, image.config).set(image.digest, image.manifest);
  const handle = ({ url = '', method }: IncomingMessage, response: ServerResponse) => {
    const name = url.split('/').at(-1) ?? '';
    const bytes = blobs.get(name) ?? (url.includes('/manifests/') ? image.manifest : undefined);
    if (bytes === undefined) return response.writeHead(404).end();
    const headers = { 'content-type': manifestType, 'content-length': bytes.length };
    response.writeHead(200, headers);
    if (method === 'HEAD') return response.end();
    if (name !== last?.digest) return response.end(bytes);
    const half = Math.floor(bytes.length / 2);
    response.write(bytes.subarray(0, half));
    return released.then(() => response.end(bytes.subarray(half)));
  };
  const server = createServer((request, response) => void handle(request, response)).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    reference: `127.0.0.1:${port}/slow:v1`,
    release,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function slowImage(): Image {
  const content = uniqueName('content').repeat(100_000);
  return buildImage([busyboxLayer(), buildLayer([{ type: 'file', path: 'large', content }])]);
}

describe('gantry images pull', () => {
  test('says how far each layer is, in plain lines where no terminal is', async ({ daemon }) => {
    const image = slowImage();
    await using slow = await startSlowRegistry(image);
    const pulling = startGantry(daemon.place, 'images', 'pull', slow.reference);
    const lines: string[] = [];
    createInterface(pulling.stderr).on('line', (line) => lines.push(line));
    const layer = image.layers.at(-1)?.digest.slice(7, 19) ?? '';
    await eventually('the layer is coming', () =>
      lines.some((line) => line.startsWith(`${layer} downloading`)),
    );
    slow.release();
    expect(await pulling).toMatchObject({ exitCode: 0, stdout: image.id });
    expect(lines.at(-1)).toMatch(/ done \(/);
  });

  test('draws a bar for each layer on a terminal', async ({ daemon }) => {
    const image = slowImage();
    await using slow = await startSlowRegistry(image);
    const command = `stty rows 24 columns 100; ${launcher} images pull ${slow.reference}`;
    const terminal = execa('script', ['-qec', command, '/dev/null'], {
      env: { GANTRY_ADDRESS: daemon.place.adminSocket },
      stdin: 'ignore',
      reject: false,
    });
    let drawn = '';
    terminal.stdout.on('data', (chunk: Buffer) => {
      drawn += chunk.toString();
    });
    const layer = image.layers.at(-1)?.digest.slice(7, 19) ?? '';
    await eventually('half of a bar is drawn', () =>
      new RegExp(`${layer}  downloading \\[={12} {12}\\]`).test(drawn),
    );
    expect(drawn).toContain(`${slow.reference}: 1 of 2 layers`);
    slow.release();
    expect(await terminal).toMatchObject({ exitCode: 0 });
    expect(drawn).toMatch(new RegExp(`${layer}  done        \\[={24}\\]`));
    expect(drawn).toContain('2 of 2 layers');
  });

  test('with --json tells of bytes and rate, and of the image at last', async ({ daemon }) => {
    const image = slowImage();
    await using slow = await startSlowRegistry(image);
    const pulling = startGantry(daemon.place, 'images', 'pull', '--json', slow.reference);
    const lines = createInterface(pulling.stdout)[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value ?? 'null');
    const total = image.layers.at(-1)?.blob.length ?? 0;
    let line = await next();
    while (line.progress.layers.at(-1)?.stage !== 'downloading') line = await next();
    expect(line.progress.layers.at(-1)).toMatchObject({
      bytes: Math.floor(total / 2),
      totalBytes: total,
    });
    slow.release();
    while (line?.image === undefined) line = await next();
    expect(line.image.repoTags).toEqual([slow.reference]);
  });

  test('is given up by Ctrl-C, and leaves nothing to be seen', async ({ daemon }) => {
    await using slow = await startSlowRegistry(slowImage());
    const pulling = startGantry(daemon.place, 'images', 'pull', slow.reference);
    await once(pulling.stderr, 'data');
    pulling.kill('SIGINT');
    await pulling;
    await eventually('the daemon has given up, too', async () => {
      const { pulls } = await askAdmin(daemon.place, '/v1/pulls');
      return pulls.find((pull) => pull.reference === slow.reference)?.outcome.code === 'cancelled';
    });
    const { image } = await daemon.cri.imageStatus({ image: { image: slow.reference } });
    expect(image).toBeNull();
  });
});

describe('gantry ends', () => {
  test('with 1 and the words of the daemon when it refuses', async ({ daemon: { place } }) => {
    const reference = `${host}/no-such-image:v1`;
    const outcome = await gantryOutcome(place, 'images', 'pull', reference);
    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
    expect(outcome.stderr).toContain(`gantry: pull image "${reference}": `);
  });

  test.for<readonly [string, Buffer, string]>([
    ['a path with ..', tar([{ type: 'file', path: '../../etc/x', content: 'x' }]), 'leads out of'],
    ['no archive', Buffer.alloc(2048, 'x'), 'read tar'],
    [
      'half of one',
      tar([{ type: 'file', path: 'a', content: 'x'.repeat(999) }]).subarray(0, 800),
      'missing',
    ],
    [
      'a forged blob',
      tar([{ type: 'file', path: `blobs/sha256/${'0'.repeat(64)}`, content: 'x' }]),
      'has the digest',
    ],
  ])(
    'with 1 on an archive with %s, of which it leaves nothing',
    async ([, bytes, message], { daemon }) => {
      const archive = fileIn(daemon, 'hostile.tar');
      writeFileSync(archive, bytes);
      const blobs = join(daemon.place.root, 'content/blobs/sha256');
      const before = readdirSync(blobs).toSorted();
      const outcome = await gantryOutcome(daemon.place, 'images', 'import', archive);
      expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
      expect(outcome.stderr).toContain('gantry: import images: read the archive: ');
      expect(outcome.stderr).toContain(message);
      expect(readdirSync(blobs).toSorted()).toEqual(before);
      expect(readdirSync(join(daemon.place.root, 'content/ingest'))).toEqual([]);
    },
  );

  test('with 2 when the command line is wrong, and says where help is', async ({
    daemon: { place },
  }) => {
    for (const args of [[], ['image'], ['images', 'pull'], ['images', 'ls', '--colour']]) {
      const outcome = await gantryOutcome(place, ...args);
      expect(outcome).toMatchObject({ exitCode: 2, stdout: '' });
      expect(outcome.stderr).toMatch(/^gantry: /);
    }
    expect(await gantry(place, 'images', 'import', '--help')).toContain('--name NAME');
  });

  test('with 3 when the daemon dies', async ({ daemon }) => {
    await using slow = await startSlowRegistry(slowImage());
    const pulling = startGantry(daemon.place, 'images', 'pull', slow.reference);
    await once(pulling.stderr, 'data');
    await daemon.kill();
    const { exitCode, stderr } = await pulling;
    expect(exitCode).toBe(3);
    expect(stderr).toContain('gantry: gantryd went away before it was done');
    await daemon.start();
  });

  test('with 3 when no daemon answers', async ({ daemon: { place } }) => {
    const nowhere = { adminSocket: join(place.directory, 'none.sock') };
    const outcome = await gantryOutcome(nowhere, 'images', 'ls');
    expect(outcome).toMatchObject({ exitCode: 3, stdout: '' });
    expect(outcome.stderr).toContain('no gantryd answers at');
  });
});
