import type { Descriptor, Platform } from '#api/oci/image.ts';

/** What a machine of each architecture can run, the best first: architecture, then variant. */
const runnable: Readonly<Record<string, readonly string[]>> = {
  amd64: ['amd64', 'amd64/v1', '386'],
  arm64: ['arm64/v8', 'arm64', 'arm/v8', 'arm/v7', 'arm', 'arm/v6', 'arm/v5'],
  arm: ['arm/v7', 'arm', 'arm/v6', 'arm/v5'],
};

/** Go's names, which images use, for Node's. */
const goNames: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', arm: 'arm' };

/** This machine's architecture as images name it. */
export function machineArchitecture(nodeName: string = process.arch): string {
  return goNames[nodeName] ?? nodeName;
}

/** How well a machine can run a platform: 0 is best; undefined is not at all. */
export function rankOf(platform: Platform, architecture: string): number | undefined {
  const { variant } = platform;
  if (platform.os !== 'linux') return undefined;
  const name = variant ? `${platform.architecture}/${variant}` : platform.architecture;
  const rank = (runnable[architecture] ?? [architecture]).indexOf(name);
  return rank < 0 ? undefined : rank;
}

/** The manifest that runs best on a machine, the first of equals; one without platform runs last. */
export function chooseManifest(
  manifests: readonly Descriptor[],
  architecture: string,
): Descriptor | undefined {
  return manifests
    .map((manifest) => ({
      manifest,
      rank: manifest.platform ? rankOf(manifest.platform, architecture) : Number.MAX_VALUE,
    }))
    .filter(({ rank }) => rank !== undefined)
    .toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0))[0]?.manifest;
}
