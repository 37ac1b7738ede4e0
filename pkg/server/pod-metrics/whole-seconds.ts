/** The CRI has whole numbers for values. */
export function wholeSeconds(microseconds: number | undefined): number | undefined {
  return microseconds === undefined ? undefined : Math.floor(microseconds / 1e6);
}
