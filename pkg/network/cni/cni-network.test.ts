import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe as group, expect, it, vi } from 'vitest';
import { describe } from '#errors/fault.ts';
import { mountPointsUnder, mountTmpfs, unmount } from '#linux/mount.ts';
import { createNamespaces, removeNamespace } from '#linux/namespace.ts';
import { identifyProcess } from '#linux/process.ts';
import { readIfThere } from '#linux/read-file.ts';
import { openSystemThread, type SystemThread } from '#linux/system-thread.ts';
import { createLog } from '#log/log.ts';
import { type CniNetwork, type CniOptions, type CniPlace, openCniNetwork } from './cni-network.ts';
import type { CniPod } from './pod.ts';
import { TestPlugins } from './testdata/plugins.ts';

// Each starts a dozen programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

let folder: string;
let plugins: TestPlugins;
let thread: SystemThread;
let logged: { readonly message: string; readonly [field: string]: unknown }[];
let network: CniNetwork;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-cni-'));
  plugins = new TestPlugins(folder);
  plugins.install('main', 'chained');
  plugins.configure('10.conflist', conflist);
  thread = openSystemThread();
  logged = [];
  network = await open();
  network.reconcile(new Set());
});

afterEach(async () => {
  network.close();
  await thread.close();
  for (const point of mountPointsUnder(folder)) unmount(point);
  rmSync(folder, { recursive: true });
});

const conflist = {
  cniVersion: '1.1.0',
  name: 'net',
  plugins: [{ type: 'main', mine: true }, { type: 'chained' }],
};

function open(change: Partial<CniOptions> = {}): Promise<CniNetwork> {
  return openCniNetwork({
    confDir: plugins.confDir,
    binDirs: [plugins.binDir],
    cacheDir: join(folder, 'cache'),
    timeoutMs: 10_000,
    thread,
    log: createLog('debug', (line) => logged.push(JSON.parse(line))),
    ...change,
  });
}

/** As the next start of the daemon does it, with pods that it still knows. */
async function reopen(...owners: string[]): Promise<void> {
  network.close();
  network = await open();
  network.reconcile(new Set(owners));
}

async function podOf(id: string, change: Partial<CniPod> = {}): Promise<CniPod> {
  const netnsPath = join(folder, id);
  await createNamespaces(thread, { net: netnsPath });
  return {
    id,
    netnsPath,
    name: 'web',
    namespace: 'default',
    uid: 'uid1',
    annotations: {},
    portMappings: [],
    cgroupPath: '/pods/1',
    ...change,
  };
}

async function add(pod: CniPod): Promise<CniPlace> {
  const found = await network.current();
  if (found.kind !== 'valid') throw new Error(`the configuration is ${found.kind}`);
  return network.addPod(pod, found.config);
}

function records(): string[] {
  return readdirSync(join(folder, 'cache', 'results'));
}

/** All that an error says. */
function saying(words: string): (error: unknown) => boolean {
  return (error) => describe(error).includes(words);
}

const fails = (code: number): string => `echo '{"code":${code},"msg":"not now"}'; exit 1`;

group('ADD', () => {
  it('runs the plugins in order, each with the result of the one before', async () => {
    const chained = { ips: [{ address: '198.51.100.7/24' }, { address: '2001:db8::7/64' }] };
    plugins.teach('chained', 'ADD', `echo '${JSON.stringify(chained)}'; exit 0`);
    expect(await add(await podOf('a'))).toEqual({
      address: '198.51.100.7',
      additionalAddresses: ['2001:db8::7'],
    });
    expect(plugins.calls()).toEqual(['main GC', 'chained GC', 'main ADD a', 'chained ADD a']);
    const head = { cniVersion: '1.1.0', name: 'net' };
    expect(plugins.input('main', 'ADD')).toEqual({ ...head, type: 'main', mine: true });
    expect(plugins.input('chained', 'ADD')).toEqual({
      ...head,
      type: 'chained',
      prevResult: { cniVersion: '1.1.0', ips: [{ address: '198.51.100.7/24' }] },
    });
    expect(plugins.env('main', 'ADD')).toEqual({
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'a',
      CNI_NETNS: join(folder, 'a'),
      CNI_IFNAME: 'eth0',
      CNI_ARGS:
        'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=a;K8S_POD_UID=uid1',
      CNI_PATH: plugins.binDir,
    });
  });

  it('gives each plugin the capabilities that it has, and no others', async () => {
    const capabilities = { portMappings: true, mac: true, bandwidth: false };
    plugins.configure('10.conflist', {
      ...conflist,
      plugins: [{ type: 'main', capabilities, 'cni.dev/own': 1 }, { type: 'chained' }],
    });
    const port = { protocol: 'tcp', containerPort: 80, hostPort: 8080, hostIp: '' };
    const annotations = { 'kubernetes.io/ingress-bandwidth': '1M' };
    await add(await podOf('a', { portMappings: [port], annotations }));
    expect(plugins.input('main', 'ADD')).toEqual({
      cniVersion: '1.1.0',
      name: 'net',
      type: 'main',
      runtimeConfig: {
        portMappings: [{ protocol: 'tcp', containerPort: 80, hostPort: 8080, hostIP: '' }],
      },
    });
    expect(plugins.input('chained', 'ADD')).not.toHaveProperty('runtimeConfig');
  });

  it('sets the loopback interface up', async () => {
    plugins.teach('main', 'ADD', 'nsenter --net="$CNI_NETNS" ip -o link show lo >"$here/lo"');
    await add(await podOf('a'));
    expect(readFileSync(join(plugins.binDir, 'lo'), 'utf8')).toContain('<LOOPBACK,UP,');
  });

  it('is on record before a plugin runs, in the form of the Go library', async () => {
    const cache = join(folder, 'cache', 'results', 'net-a-eth0');
    plugins.teach('main', 'ADD', `cp ${cache} "$here/before"`);
    await add(await podOf('a'));
    const before: unknown = JSON.parse(readFileSync(join(plugins.binDir, 'before'), 'utf8'));
    expect(before).toMatchObject({
      kind: 'cniCacheV1',
      containerId: 'a',
      ifName: 'eth0',
      networkName: 'net',
      netns: join(folder, 'a'),
      cniArgs: expect.arrayContaining([['K8S_POD_NAME', 'web']]),
      config: expect.stringMatching(/^[\w+/]+=*$/),
    });
    expect(before).not.toHaveProperty('result');
    expect(JSON.parse(readFileSync(cache, 'utf8'))).toMatchObject({
      result: { cniVersion: '1.1.0', ips: [{ address: '198.51.100.7/24' }] },
    });
  });

  it('refuses names that would add arguments of their own', async () => {
    const pod = await podOf('a', { name: 'web;IgnoreUnknown=0' });
    await expect(add(pod)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(records()).toEqual([]);
  });

  it('of one pod does not wait for that of another', async () => {
    plugins.teach('main', 'ADD', '[ "$CNI_CONTAINERID" != stuck ] || exec sleep 1000');
    const stuck = add(await podOf('stuck'));
    await expect.poll(() => plugins.calls()).toContain('main ADD stuck');
    const pods = await Promise.all(['a', 'b', 'c', 'd'].map((id) => podOf(id)));
    await Promise.all(pods.map(add));
    network.close();
    await expect(stuck).rejects.toSatisfy(saying('it is not wanted any more'));
  });
});

group('a failed ADD', () => {
  it('says what the plugin said, and runs none of those after it', async () => {
    plugins.teach('main', 'ADD', fails(11));
    const failure = add(await podOf('a'));
    await expect(failure).rejects.toSatisfy(
      saying(
        'connect pod "a" to CNI network "net": run CNI plugin "main" (ADD): not now (code 11)',
      ),
    );
    await expect(failure).rejects.toMatchObject({ code: 'unavailable' });
    expect(plugins.calls()).not.toContain('chained ADD a');
  });

  it.each([
    ['exit 0', '(ADD): it printed no result'],
    ['echo "{}"; exit 0', 'the result has no address for "eth0"'],
    [
      `echo '{"ips":[{"address":"nonsense"}]}'; exit 0`,
      '"nonsense", which is no address for a pod',
    ],
    ['echo rubbish; exit 0', 'what it printed is no JSON object: rubbish'],
  ])('is also one in which the last plugin does %j', async (script, words) => {
    plugins.teach('chained', 'ADD', script);
    await expect(add(await podOf('a'))).rejects.toSatisfy(saying(words));
    await network.removePod('a');
    expect(plugins.calls().slice(-2)).toEqual(['chained DEL a', 'main DEL a']);
    expect(records()).toEqual([]);
  });

  it('leaves a DEL owed, of all plugins and without a result', async () => {
    plugins.teach('main', 'ADD', fails(100));
    await expect(add(await podOf('a'))).rejects.toThrow();
    expect(records()).toEqual(['net-a-eth0']);
    await network.removePod('a');
    expect(plugins.calls().slice(-2)).toEqual(['chained DEL a', 'main DEL a']);
    expect(plugins.input('main', 'DEL')).not.toHaveProperty('prevResult');
    expect(records()).toEqual([]);
  });

  it('is one whose record does not fit on the disk, before a plugin runs', async () => {
    network.close();
    const cacheDir = join(folder, 'small');
    mkdirSync(cacheDir);
    mountTmpfs(cacheDir, { sizeBytes: 64 * 1024, mode: 0o700 });
    network = await open({ cacheDir });
    network.reconcile(new Set());
    expect(() => writeFileSync(join(cacheDir, 'filler'), Buffer.alloc(128 * 1024))).toThrow(
      'ENOSPC',
    );
    await expect(add(await podOf('a'))).rejects.toMatchObject({ code: 'resource-exhausted' });
    await network.removePod('a');
    expect(plugins.calls().filter((call) => !call.includes('GC'))).toEqual([]);
    rmSync(join(cacheDir, 'filler'));
    await add(await podOf('b'));
  });

  it('owes nothing when no plugin could run', async () => {
    plugins.configure('10.conflist', { ...conflist, cniVersion: '0.1.0' });
    await expect(add(await podOf('a'))).rejects.toMatchObject({ code: 'failed-precondition' });
    plugins.configure('10.conflist', { ...conflist, plugins: [{ type: 'missing' }] });
    await expect(add(await podOf('a2'))).rejects.toSatisfy(saying('find CNI plugin "missing"'));
    expect(records()).toEqual([]);
  });
});

group('DEL', () => {
  it('runs the plugins in reverse, each with the last result, and only once', async () => {
    await add(await podOf('a'));
    plugins.forgetCalls();
    await network.removePod('a');
    await network.removePod('a');
    await network.removePod('never-connected');
    expect(plugins.calls()).toEqual(['chained DEL a', 'main DEL a']);
    const result = { cniVersion: '1.1.0', ips: [{ address: '198.51.100.7/24' }] };
    expect(plugins.input('main', 'DEL')).toMatchObject({ prevResult: result, mine: true });
    expect(plugins.env('main', 'DEL')['CNI_NETNS']).toBe(join(folder, 'a'));
  });

  it('uses the configuration of its ADD, also when that has gone or changed', async () => {
    await add(await podOf('a'));
    plugins.configure('10.conflist', { ...conflist, name: 'other', plugins: [{ type: 'other' }] });
    await reopen('a');
    rmSync(plugins.confDir, { recursive: true });
    await network.removePod('a');
    expect(plugins.calls().slice(-2)).toEqual(['chained DEL a', 'main DEL a']);
    expect(plugins.input('main', 'DEL')).toMatchObject({ name: 'net', mine: true });
  });

  it('names no namespace when there is none any more', async () => {
    const { netnsPath } = await podOf('a').then(async (pod) => (await add(pod), pod));
    await removeNamespace(thread, netnsPath);
    // As on a disk that outlives a reboot.
    writeFileSync(netnsPath, '');
    await network.removePod('a');
    expect(plugins.env('main', 'DEL')['CNI_NETNS']).toBe('');
  });

  it('that fails is told, and tried again in the background until it succeeds', async () => {
    await add(await podOf('a'));
    plugins.teach('chained', 'DEL', fails(100));
    await expect(network.removePod('a')).rejects.toSatisfy(
      saying(
        'take pod "a" off its CNI network: run CNI plugin "chained" (DEL): not now (code 100)',
      ),
    );
    expect(network.describePod('a')).toMatchObject({ isDelOwed: true });
    plugins.forget('chained', 'DEL');
    await expect.poll(() => records(), { timeout: 20_000 }).toEqual([]);
    expect(plugins.calls().at(-1)).toBe('main DEL a');
    // Whoever asks again learns that it is done.
    await network.removePod('a');
  });

  it('that hangs is ended, and is tried again', async () => {
    network.close();
    network = await open({ timeoutMs: 300 });
    network.reconcile(new Set());
    await add(await podOf('a'));
    plugins.teach('main', 'DEL', 'sleep 1000');
    await expect(network.removePod('a')).rejects.toSatisfy(saying('no answer within 300 ms'));
    plugins.forget('main', 'DEL');
    await network.removePod('a');
    expect(records()).toEqual([]);
  });

  it('is given up when an operator removes its record', async () => {
    await add(await podOf('a'));
    rmSync(plugins.binDir, { recursive: true });
    await expect(network.removePod('a')).rejects.toSatisfy(saying('find CNI plugin "chained"'));
    rmSync(join(folder, 'cache', 'results', 'net-a-eth0'));
    await network.removePod('a');
    expect(network.connectedPods()).toEqual([]);
  });

  it('is not given up when the disk with the records has gone', async () => {
    await add(await podOf('a'));
    renameSync(join(folder, 'cache', 'results'), join(folder, 'elsewhere'));
    await expect(network.removePod('a')).rejects.toSatisfy(saying('ENOENT'));
    renameSync(join(folder, 'elsewhere'), join(folder, 'cache', 'results'));
    await network.removePod('a');
    expect(plugins.calls().at(-1)).toBe('main DEL a');
  });
});

group('after a restart', () => {
  it('pods that nobody knows are owed a DEL, the others a CHECK', async () => {
    await add(await podOf('kept'));
    await add(await podOf('lost'));
    plugins.forgetCalls();
    await reopen('kept');
    await expect.poll(() => records()).toEqual(['net-kept-eth0']);
    await expect.poll(() => plugins.calls()).toContain('chained CHECK kept');
    expect(plugins.calls()).toContain('main DEL lost');
    expect(plugins.input('main', 'CHECK')).toHaveProperty('prevResult.ips');
  });

  it('a DEL that was owed before is owed still, and no other', async () => {
    await add(await podOf('a'));
    plugins.teach('main', 'DEL', fails(100));
    await expect(network.removePod('a')).rejects.toThrow();
    network.close();
    network = await open();
    // The daemon takes down what is not running before it is done with the start.
    await expect(network.removePod('a')).rejects.toThrow();
    network.reconcile(new Set(['a']));
    plugins.forget('main', 'DEL');
    await expect.poll(() => records(), { timeout: 20_000 }).toEqual([]);
    expect(plugins.calls()).not.toContain('main CHECK a');
  });

  it('plugins that hang keep nobody waiting for long', async () => {
    await Promise.all((await Promise.all(['a', 'b', 'c'].map((id) => podOf(id)))).map(add));
    plugins.teach('chained', 'DEL', 'sleep 1000');
    network.close();
    network = await open();
    const began = performance.now();
    const removals = await Promise.allSettled(['a', 'b', 'c'].map((id) => network.removePod(id)));
    expect(performance.now() - began).toBeLessThan(6_000);
    for (const { status } of removals) expect(status).toBe('rejected');
    expect(records()).toHaveLength(3);
  });

  it('a plugin that still works on an ADD for the daemon before is ended', async () => {
    plugins.teach('main', 'ADD', `sleep 1000 & echo $! >"$here/child"; wait`);
    const adding = add(await podOf('a')).catch((error: unknown) => describe(error));
    const child = (): string => readIfThere(join(plugins.binDir, 'child'))?.trim() ?? '';
    await expect.poll(child).toMatch(/^\d+$/);
    // The one before is not closed: it could not do so when killed.
    const next = await open();
    expect(identifyProcess(Number(child()))).toBeUndefined();
    expect(await adding).toContain('exit status 137');
    next.reconcile(new Set());
    await expect.poll(() => records()).toEqual([]);
    next.close();
  });

  it('the valid attachments are told to plugins that clean up', async () => {
    await add(await podOf('kept'));
    await add(await podOf('lost'));
    plugins.forgetCalls();
    await reopen('kept');
    await expect.poll(() => plugins.calls()).toContain('chained GC');
    expect(plugins.input('main', 'GC')).toEqual({
      cniVersion: '1.1.0',
      name: 'net',
      type: 'main',
      mine: true,
      'cni.dev/valid-attachments': [{ containerID: 'kept', ifname: 'eth0' }],
    });
  });

  it('a plugin that cannot clean up keeps the others from nothing', async () => {
    plugins.teach('main', 'GC', fails(100));
    await reopen();
    await expect.poll(() => logged.map(({ message }) => message)).toContain('CNI GC failed');
    expect(plugins.calls()).toContain('chained GC');
    await add(await podOf('a'));
  });

  it.each([{ disableGC: true }, { cniVersion: '1.0.0' }])(
    'nothing is cleaned up with %j',
    async (change) => {
      plugins.configure('10.conflist', { ...conflist, name: 'quiet', ...change });
      await reopen();
      await add(await podOf('a'));
      expect(plugins.calls().filter((call) => call.includes('GC'))).toEqual([]);
    },
  );

  it('a broken record is told of, and left', async () => {
    writeFileSync(join(folder, 'cache', 'results', 'net-x-eth0'), '{"kind":"cniCacheV1"');
    await reopen();
    expect(logged).toContainEqual(
      expect.objectContaining({ level: 'error', path: expect.stringContaining('net-x-eth0') }),
    );
    expect(records()).toEqual(['net-x-eth0']);
  });
});

group('CHECK', () => {
  it('says what is missing', async () => {
    await add(await podOf('a'));
    await network.checkPod('a');
    plugins.teach('chained', 'CHECK', fails(101));
    await expect(network.checkPod('a')).rejects.toThrow('(CHECK): not now (code 101)');
  });

  it.each([{ disableCheck: true }, { cniVersion: '0.3.1' }])(
    'is not run with %j',
    async (change) => {
      plugins.configure('10.conflist', { ...conflist, ...change });
      await add(await podOf('a'));
      await network.checkPod('a');
      expect(plugins.calls()).not.toContain('main CHECK a');
    },
  );

  it('that fails after a restart is a warning', async () => {
    await add(await podOf('a'));
    plugins.teach('main', 'CHECK', fails(101));
    await reopen('a');
    await expect
      .poll(() => logged)
      .toContainEqual(
        expect.objectContaining({
          level: 'warn',
          sandboxId: 'a',
          error: expect.stringContaining('101'),
        }),
      );
  });
});

async function readiness(): ReturnType<CniNetwork['readiness']> {
  const found = await network.current();
  if (found.kind !== 'valid') throw new Error(`the configuration is ${found.kind}`);
  return network.readiness(found);
}

/** Once the plugins have answered. */
async function finding(): ReturnType<CniNetwork['readiness']> {
  for (;;) {
    const latest = await readiness();
    if (latest.ready || latest.reason !== 'CniPluginsSilent') return latest;
  }
}

group('readiness', () => {
  it('is what the plugins say, asked now and then', async () => {
    for (let count = 0; count < 5; count++) expect(await finding()).toEqual({ ready: true });
    const asked = () => plugins.calls().filter((call) => call.includes('STATUS'));
    expect(asked()).toEqual(['main STATUS', 'chained STATUS']);
    expect(plugins.env('main', 'STATUS')).toEqual({
      CNI_COMMAND: 'STATUS',
      CNI_PATH: plugins.binDir,
    });
  });

  it.each([
    [50, '(STATUS): not now (code 50)'],
    [51, 'not now (code 51); pods that are connected already may not get far'],
  ])('is not there when a plugin says %i', async (code, words) => {
    plugins.teach('chained', 'STATUS', fails(code));
    expect(await finding()).toMatchObject({
      ready: false,
      reason: 'CniPluginNotReady',
      message: expect.stringContaining(words),
    });
    // Purely informational, says the specification.
    await add(await podOf('a'));
    plugins.forget('chained', 'STATUS');
    await expect.poll(readiness, { timeout: 20_000 }).toEqual({ ready: true });
  });

  it('of older plugins is that they are there', async () => {
    plugins.configure('10.conflist', { ...conflist, cniVersion: '1.0.0' });
    expect(await finding()).toEqual({ ready: true });
    plugins.configure('10.conflist', { ...conflist, plugins: [{ type: 'missing' }] });
    expect(await finding()).toMatchObject({
      ready: false,
      reason: 'CniPluginUnusable',
      message: `find CNI plugin "missing": it is in none of ${plugins.binDir}`,
    });
    expect(plugins.calls().filter((call) => call.includes('STATUS'))).toEqual([]);
  });

  it('does not wait for plugins that hang', async () => {
    plugins.teach('main', 'STATUS', 'exec sleep 1000');
    const began = performance.now();
    expect(await readiness()).toMatchObject({ ready: false, reason: 'CniPluginsSilent' });
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

it('CniNetwork tells once of each configuration that comes into force', async () => {
  await network.current();
  await network.current();
  plugins.configure('05.conflist', { name: 'x' });
  await network.current();
  await network.current();
  rmSync(plugins.confDir, { recursive: true });
  await network.current();
  const told = logged.filter(({ level }) => level !== 'debug').map(({ message }) => message);
  expect(told).toEqual([
    'a CNI configuration is in force',
    'a CNI configuration cannot be used',
    'there is no CNI configuration',
  ]);
});
