import * as fc from 'fast-check';
import { isIP } from 'node:net';
import { expect, it } from 'vitest';
import { Fault } from '#errors/fault.ts';
import { parseJsonObject } from './json-object.ts';
import { networkConfigText, parseNetworkConfig } from './network-config.ts';
import { PluginFault } from './plugin-fault.ts';
import { addressesIn, resultIn } from './result.ts';
import { specVersions } from './spec-version.ts';

/** What hack/fuzz sets; without it each property is tried a few hundred times. */
const seconds = Number(process.env['GANTRY_FUZZ_SECONDS'] ?? 0);
const endless = { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1000 };
const timeoutMs = (seconds + 30) * 1000;

function tryOut(property: fc.IProperty<unknown>): void {
  fc.assert(property, seconds > 0 ? endless : { numRuns: 300 });
}

/** A document in which some values are others. */
function spoilt(document: object): fc.Arbitrary<string> {
  const text = JSON.stringify(document);
  const values = [...text.matchAll(/"[^"]*"|\d+|null|\[\]|\{\}/g)];
  const other = fc.oneof(fc.json({ maxDepth: 2 }), fc.constantFrom('-1', '1e999', '"__proto__"'));
  const change = fc.record({ at: fc.nat(values.length - 1), by: other });
  return fc.array(change, { maxLength: 3 }).map((changes) => {
    const sorted = changes.toSorted((one, two) => two.at - one.at);
    return sorted.reduce((changed, { at, by }) => {
      const { index = 0, 0: value = '' } = values[at] ?? {};
      return changed.slice(0, index) + by + changed.slice(index + value.length);
    }, text);
  });
}

const result = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'cni0' }, { name: 'eth0', sandbox: '/run/net' }],
  ips: [
    { address: '192.0.2.7/24', gateway: '192.0.2.1', interface: 1 },
    { address: '2001:db8::7/64', interface: 1 },
  ],
  ip4: { ip: '192.0.2.7/24', routes: [{ dst: '0.0.0.0/0' }] },
};

const config = {
  cniVersion: '1.0.0',
  cniVersions: ['0.4.0', '1.1.0'],
  name: 'net',
  disableGC: false,
  loadOnlyInlinedPlugins: 'true',
  plugins: [{ type: 'bridge', capabilities: { ips: true } }, { type: 'portmap' }],
};

it(
  'a result of a plugin is either addresses or a PluginFault',
  () => {
    tryOut(
      fc.property(spoilt(result), fc.constantFrom(...specVersions), (text, version) => {
        try {
          const read = resultIn(version, parseJsonObject(text));
          expect(read['cniVersion']).toBe(version);
          for (const address of addressesIn(read, 'eth0')) expect(isIP(address)).not.toBe(0);
        } catch (error) {
          if (!(error instanceof PluginFault)) throw error;
        }
      }),
    );
  },
  timeoutMs,
);

it(
  'a configuration is either one that can be written down or a Fault',
  () => {
    tryOut(
      fc.property(spoilt(config), (text) => {
        try {
          const read = parseNetworkConfig(text);
          const [version] = read.versions;
          if (version === undefined || read.plugins.length === 0) return;
          const again = parseNetworkConfig(networkConfigText(read, version));
          expect(again.plugins).toEqual(read.plugins);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
        }
      }),
    );
  },
  timeoutMs,
);
