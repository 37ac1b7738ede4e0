/** What critest must pass, and what it may fail. */

/** One spec of a run: critest skips what the node cannot do. */
export type Spec = {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped. */
  readonly message: string;
};

/** The file test/conformance/ratchet.json. Reasons are for people. */
export type Ratchet = {
  /** Each spec with why it cannot run here at all. */
  readonly excluded: Readonly<Record<string, string>>;
  /** Each spec with the reason for which it fails for now. None of these must pass. */
  readonly mayFail: Readonly<Record<string, string>>;
  /** For each runtime handler: specs that are skipped with it, and what it lacks. */
  readonly notWith: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly mustPass: readonly string[];
};

export type Verdict = {
  /** What passed, whether it had to or not. */
  readonly passed: readonly Spec[];
  /** What failed without being known to, and what had to pass and was skipped. */
  readonly broken: readonly Spec[];
  /** What fails as expected. */
  readonly awaited: readonly Spec[];
  /** What was skipped as it may be. */
  readonly skipped: readonly Spec[];
  /** What passed and is not on the list yet. */
  readonly gained: readonly Spec[];
};

/** Judges the specs of a run with one runtime handler. Specs that the run left out are not judged. */
export function judge(ratchet: Ratchet, handler: string, specs: readonly Spec[]): Verdict {
  const mustPass = new Set(ratchet.mustPass);
  const mayBeSkipped = (spec: Spec) =>
    !mustPass.has(spec.name) || Object.hasOwn(ratchet.notWith[handler] ?? {}, spec.name);
  const mayFail = (spec: Spec) => Object.hasOwn(ratchet.mayFail, spec.name);
  const isBroken = (spec: Spec) =>
    (spec.outcome === 'failed' && !mayFail(spec)) ||
    (spec.outcome === 'skipped' && !mayBeSkipped(spec));
  const passed = specs.filter(({ outcome }) => outcome === 'passed');
  return {
    passed,
    broken: specs.filter(isBroken),
    awaited: specs.filter((spec) => spec.outcome === 'failed' && mayFail(spec)),
    skipped: specs.filter((spec) => spec.outcome === 'skipped' && mayBeSkipped(spec)),
    gained: passed.filter(({ name }) => !mustPass.has(name)),
  };
}

/** What has to pass and is not among the specs of a whole run: renamed, or gone. */
export function missingSpecs({ mustPass }: Ratchet, specs: readonly Spec[]): Spec[] {
  const known = new Set(specs.map(({ name }) => name));
  return mustPass
    .filter((name) => !known.has(name))
    .map((name) => ({ name, outcome: 'skipped', message: 'critest has no such spec' }));
}

/** The ratchet after a run: all that passed must pass from now on. */
export function tighten(ratchet: Ratchet, { passed }: Verdict): Ratchet {
  const mustPass = [
    ...new Set([...ratchet.mustPass, ...passed.map(({ name }) => name)]),
  ].toSorted();
  const mayFail = Object.entries(ratchet.mayFail).filter(([name]) => !mustPass.includes(name));
  return { ...ratchet, mayFail: Object.fromEntries(mayFail), mustPass };
}
