import { expect, it } from 'vitest';
import type { Descriptor } from '#api/oci/image.ts';
import { chooseManifest, machineArchitecture } from './platform.ts';

function offered(...platforms: (string | undefined)[]): Descriptor[] {
  return platforms.map((text, size) => {
    const [os = '', architecture = '', variant] = text?.split('/') ?? [];
    const platform = text === undefined ? undefined : { os, architecture, variant };
    return { mediaType: '', digest: text ?? 'none', size, platform };
  });
}

it.each([
  ['amd64', ['linux/arm64', 'linux/amd64', 'windows/amd64'], 'linux/amd64'],
  ['amd64', ['linux/386', 'linux/amd64'], 'linux/amd64'],
  ['amd64', ['linux/386'], 'linux/386'],
  ['amd64', ['linux/amd64/v3', 'linux/amd64/v1'], 'linux/amd64/v1'],
  ['arm64', ['linux/arm/v7', 'linux/arm64/v8'], 'linux/arm64/v8'],
  ['arm64', ['linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7'],
  ['amd64', ['unknown/unknown', 'linux/amd64'], 'linux/amd64'],
  ['amd64', [undefined, 'linux/amd64'], 'linux/amd64'],
  ['amd64', [undefined], 'none'],
  ['riscv64', ['linux/amd64', 'linux/riscv64'], 'linux/riscv64'],
  ['amd64', ['linux/amd64/v3'], undefined],
  ['amd64', ['windows/amd64', 'linux/arm64'], undefined],
])('chooseManifest on %s picks from %j', (architecture, platforms, expected) => {
  expect(chooseManifest(offered(...platforms), architecture)?.digest).toBe(expected);
});

it('chooseManifest takes the first of equals', () => {
  expect(chooseManifest(offered('linux/amd64', 'linux/amd64'), 'amd64')?.size).toBe(0);
});

it('machineArchitecture speaks as images do', () => {
  expect(['x64', 'arm64', 'ia32', 's390x'].map((name) => machineArchitecture(name))).toEqual([
    'amd64',
    'arm64',
    '386',
    's390x',
  ]);
});
