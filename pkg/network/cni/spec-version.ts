/** The versions of the CNI specification, oldest first; the last one is the newest that we speak. */
export const specVersions = [
  '0.1.0',
  '0.2.0',
  '0.3.0',
  '0.3.1',
  '0.4.0',
  '1.0.0',
  '1.1.0',
] as const;

export type SpecVersion = (typeof specVersions)[number];

export function isSpecVersion(text: unknown): text is SpecVersion {
  return specVersions.some((version) => version === text);
}

export function isAtLeast(version: SpecVersion, other: SpecVersion): boolean {
  return specVersions.indexOf(version) >= specVersions.indexOf(other);
}

/** The newest one that is in all of the lists. */
export function newestCommon(
  ...lists: readonly (readonly SpecVersion[])[]
): SpecVersion | undefined {
  return specVersions.findLast((version) => lists.every((list) => list.includes(version)));
}
