import { describe as group, expect, it } from 'vitest';
import { networkConfigText, parseNetworkConfig } from './network-config.ts';

const plugin = { type: 'bridge', bridge: 'cni0' };

function parse(config: unknown): ReturnType<typeof parseNetworkConfig> {
  return parseNetworkConfig(JSON.stringify(config));
}

it('parseNetworkConfig keeps every field of a plugin', () => {
  const config = {
    cniVersion: '1.0.0',
    name: 'dbnet',
    plugins: [{ ...plugin, of: { mine: [1] } }],
  };
  expect(parse(config)).toEqual({
    name: 'dbnet',
    versions: ['1.0.0'],
    disableCheck: false,
    disableGc: false,
    loadOnlyInlinedPlugins: false,
    plugins: [{ type: 'bridge', bridge: 'cni0', of: { mine: [1] } }],
  });
});

it('parseNetworkConfig takes a single plugin for a list of one', () => {
  const { name, versions, plugins } = parse({ cniVersion: '0.3.1', name: 'old', ...plugin });
  expect({ name, versions }).toEqual({ name: 'old', versions: ['0.3.1'] });
  expect(plugins).toEqual([{ cniVersion: '0.3.1', name: 'old', ...plugin }]);
});

function versionsWith(fields: object): readonly string[] {
  return parse({ name: 'x', plugins: [plugin], ...fields }).versions;
}

group('the versions of a configuration', () => {
  it('are those of both fields that are known, oldest first', () => {
    expect(versionsWith({ cniVersion: '0.4.0', cniVersions: ['1.1.0', '9.0.0', '0.3.1'] })).toEqual(
      ['0.3.1', '0.4.0', '1.1.0'],
    );
  });

  it('are the oldest one when there is none', () => {
    expect(versionsWith({})).toEqual(['0.1.0']);
    expect(versionsWith({ cniVersion: '' })).toEqual(['0.1.0']);
  });

  it('must include one that is known', () => {
    expect(() => versionsWith({ cniVersion: '2.0.0' })).toThrow(
      'its version is "2.0.0"; those up to 1.1.0 are known',
    );
  });
});

it('parseNetworkConfig reads the switches, also as words', () => {
  const config = { disableCheck: true, disableGC: 'True', loadOnlyInlinedPlugins: 'false' };
  expect(parse({ name: 'x', plugins: [plugin], ...config })).toMatchObject({
    disableCheck: true,
    disableGc: true,
    loadOnlyInlinedPlugins: false,
  });
});

it.each([
  ['', 'it is empty'],
  ['{"name":"x"', 'it is no JSON object'],
  ['[]', 'it is no JSON object'],
  ['{"plugins":[{"type":"a"}]}', 'it has no "name"'],
  ['{"name":"a/b","plugins":[{"type":"a"}]}', '"a/b" is no name for a network'],
  ['{"name":7,"plugins":[{"type":"a"}]}', '7 is no name for a network'],
  ['{"name":"x","plugins":[]}', 'its list of plugins is empty'],
  ['{"name":"x","plugins":{"type":"a"}}', 'its "plugins" are no list of objects'],
  ['{"name":"x","plugins":[{"type":"a"},{}]}', 'plugin 2 has no "type"'],
  ['{"name":"x","plugins":[{"type":"../../bin/sh"}]}', 'plugin 1: "../../bin/sh" is no name'],
  ['{"name":"x","plugins":[{"type":".."}]}', 'plugin 1: ".." is no name of a plugin'],
  ['{"name":"x","plugins":[{"type":"a","capabilities":[]}]}', 'its "capabilities" are no object'],
  ['{"name":"x","loadOnlyInlinedPlugins":true}', 'it has no "plugins"'],
  ['{"name":"x","disableGC":1,"plugins":[{"type":"a"}]}', 'its "disableGC" is neither true nor'],
  ['{"name":"x","cniVersion":1,"plugins":[{"type":"a"}]}', 'its version is 1;'],
])('parseNetworkConfig refuses %s', (text, reason) => {
  expect(() => parseNetworkConfig(text)).toThrow(reason);
});

it('networkConfigText writes what parseNetworkConfig reads back', () => {
  const config = parse({
    name: 'x',
    cniVersions: ['0.4.0', '1.0.0'],
    plugins: [plugin],
    disableGC: true,
  });
  expect(parseNetworkConfig(networkConfigText(config, '0.4.0'))).toEqual({
    ...config,
    versions: ['0.4.0'],
    loadOnlyInlinedPlugins: true,
  });
});
