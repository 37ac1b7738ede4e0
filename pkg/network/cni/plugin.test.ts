import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe as group, expect, it } from 'vitest';
import { faultCode } from '#errors/fault.ts';
import { createLog } from '#log/log.ts';
import { type PluginDeps, runPlugin } from './plugin.ts';
import { PluginVersions } from './plugin-versions.ts';
import { TestPlugins } from './testdata/plugins.ts';

let folder: string;
let plugins: TestPlugins;
let deps: PluginDeps;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-cni-'));
  plugins = new TestPlugins(folder);
  plugins.install('one', 'two');
  const { signal } = new AbortController();
  const log = createLog('error', () => {});
  deps = { binDirs: [join(folder, 'none'), plugins.binDir], timeoutMs: 10_000, log, signal };
});

afterEach(() => rmSync(folder, { recursive: true }));

function add(script: string): ReturnType<typeof runPlugin> {
  plugins.teach('one', 'ADD', script);
  return runPlugin(deps, { command: 'ADD', type: 'one', config: { name: 'net' } });
}

const act = 'run CNI plugin "one" (ADD): ';

it('runPlugin gives a plugin its configuration and the variables of CNI, and returns its answer', async () => {
  const env = { CNI_CONTAINERID: 'pod1', CNI_IFNAME: 'eth0' };
  const config = { name: 'net', type: 'one' };
  const answer = await runPlugin(deps, { command: 'ADD', type: 'one', config, env });
  expect(answer).toEqual({ ips: [{ address: '198.51.100.7/24' }] });
  expect(plugins.input('one', 'ADD')).toEqual(config);
  expect(plugins.env('one', 'ADD')).toEqual({
    ...env,
    CNI_COMMAND: 'ADD',
    CNI_PATH: deps.binDirs.join(':'),
  });
  expect(await runPlugin(deps, { command: 'DEL', type: 'one', config })).toBeUndefined();
});

it('runPlugin says where it has looked for a plugin in vain', async () => {
  const call = { command: 'ADD', type: 'three', config: {} } as const;
  await expect(runPlugin(deps, call)).rejects.toThrow(
    `find CNI plugin "three": it is in none of ${deps.binDirs.join(', ')}`,
  );
  mkdirSync(join(plugins.binDir, 'three'));
  await expect(runPlugin(deps, call)).rejects.toMatchObject({
    message: 'run CNI plugin "three" (ADD)',
    cause: { code: 'EACCES' },
  });
});

group('the error of a plugin', () => {
  it('is told with its words and its number', async () => {
    const json = '{"cniVersion":"1.0.0","code":7,"msg":"bad config","details":"no subnet"}';
    const failure = add(`echo '${json}'; exit 1`);
    await expect(failure).rejects.toThrow(`${act}bad config: no subnet (code 7)`);
    await expect(failure).rejects.toMatchObject({ code: 'failed-precondition', pluginCode: 7 });
  });

  it.each([
    [11, 'unavailable'],
    [100, 'internal'],
  ])('with the number %i is %s', async (code, meaning) => {
    const failure = add(`echo '{"code":${code},"msg":"no"}'; exit 1`);
    await expect(failure).rejects.toSatisfy((error) => faultCode(error) === meaning);
  });

  it('is believed also when it says that all went well, or on the wrong output', async () => {
    await expect(add(`echo '{"code":11,"msg":"later"}'; exit 0`)).rejects.toThrow(
      'later (code 11)',
    );
    await expect(add(`echo '{"code":11,"msg":"later"}' >&2; exit 3`)).rejects.toThrow('(code 11)');
  });

  it('is its exit status and whatever it wrote when it is no JSON', async () => {
    await expect(add('echo oops >&2; echo half; exit 3')).rejects.toThrow(
      `${act}exit status 3: oops: half`,
    );
    await expect(add('exit 3')).rejects.toThrow(new RegExp(`\\(ADD\\): exit status 3$`));
    await expect(add('kill -SEGV $$')).rejects.toThrow('exit status 139');
  });
});

it('runPlugin refuses an answer that is none, and shows where it begins', async () => {
  await expect(add('yes rubbish | head -c 5000; exit 0')).rejects.toThrow(
    /what it printed is no JSON object: rubbish\nrubbish[^]{480,490}…$/,
  );
  await expect(add('echo "[1]"; exit 0')).rejects.toThrow('is no JSON object: [1]');
});

it('runPlugin ends a plugin that hangs, or that writes without end', async () => {
  deps = { ...deps, timeoutMs: 300 };
  const hanging = add('sleep 1000');
  await expect(hanging).rejects.toThrow(`${act}no answer within 300 ms`);
  await expect(hanging).rejects.toMatchObject({ code: 'unavailable' });
  deps = { ...deps, timeoutMs: 10_000 };
  await expect(add('exec yes')).rejects.toThrow(`${act}it writes more than 1048576 bytes`);
});

it('runPlugin starts nothing once the daemon stops', async () => {
  const ender = new AbortController();
  deps = { ...deps, signal: ender.signal };
  ender.abort();
  await expect(add('')).rejects.toThrow(`${act}the daemon is stopping`);
  expect(plugins.calls()).toEqual([]);
});

function speak(type: string, versions: string): void {
  const answer = `{"cniVersion":"1.0.0","supportedVersions":[${versions}]}`;
  plugins.teach(type, 'VERSION', `echo VERSION >>"$here/asked"; echo '${answer}'; exit 0`);
}

group('PluginVersions', () => {
  const config = {
    name: 'net',
    versions: ['0.4.0', '1.0.0', '1.1.0'],
    disableCheck: false,
    disableGc: false,
    loadOnlyInlinedPlugins: true,
    plugins: [{ type: 'one' }, { type: 'two' }, { type: 'one' }],
  } as const;

  it('agrees on the newest version that the configuration and all plugins know', async () => {
    const versions = new PluginVersions(deps);
    expect(await versions.agree(config)).toBe('1.1.0');
    speak('two', '"0.3.1","0.4.0","1.0.0","9.9.9"');
    // It is another program now.
    plugins.install('two');
    expect(await versions.agree(config)).toBe('1.0.0');
    expect(await versions.agree({ ...config, versions: ['0.4.0'] })).toBe('0.4.0');
  });

  it('asks each program once', async () => {
    speak('one', '"1.0.0"');
    speak('two', '"1.0.0"');
    const versions = new PluginVersions(deps);
    await Promise.all([versions.agree(config), versions.agree(config)]);
    await versions.agree(config);
    const asked = readFileSync(join(plugins.binDir, 'asked'), 'utf8');
    expect(asked.trim().split('\n')).toHaveLength(2);
  });

  it('says who speaks what when there is no such version', async () => {
    speak('two', '"0.3.0","0.3.1"');
    await expect(new PluginVersions(deps).agree(config)).rejects.toThrow(
      'network "net" is written for 0.4.0, 1.0.0, 1.1.0; ' +
        '"one" speaks 0.3.1, 0.4.0, 1.0.0, 1.1.0; "two" speaks 0.3.0, 0.3.1',
    );
  });

  it('takes a plugin that does not know the question for one of the first version', async () => {
    const old = { ...config, versions: ['0.1.0', '1.0.0'], plugins: [{ type: 'one' }] } as const;
    plugins.teach(
      'one',
      'VERSION',
      `echo '{"code":4,"msg":"unknown CNI_COMMAND: VERSION"}'; exit 1`,
    );
    expect(await new PluginVersions(deps).agree(old)).toBe('0.1.0');
  });

  it.each(['exit 1', 'exit 0', 'echo rubbish; exit 0', `echo '{"supportedVersions":[]}'; exit 0`])(
    'takes a plugin that does not say (%s) for one that speaks what it is configured for',
    async (script) => {
      plugins.teach('one', 'VERSION', script);
      speak('two', '"0.4.0","1.0.0"');
      expect(await new PluginVersions(deps).agree(config)).toBe('1.0.0');
    },
  );

  it('asks again after a time-out', async () => {
    const versions = new PluginVersions({ ...deps, timeoutMs: 300 });
    plugins.teach('one', 'VERSION', 'exec sleep 1000');
    await expect(versions.agree(config)).rejects.toThrow(
      '"one" (VERSION): no answer within 300 ms',
    );
    plugins.forget('one', 'VERSION');
    expect(await versions.agree(config)).toBe('1.1.0');
  });
});
