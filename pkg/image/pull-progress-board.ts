import { describe, type FaultCode, faultCode } from '#errors/fault.ts';
import type { Image } from './image.ts';
import {
  type Planned,
  type ProgressDeps,
  type PullProgress,
  rfc3339,
  WatchedPull,
} from './pull-progress.ts';

export type PullCount = {
  readonly kind: PullProgress['kind'];
  readonly code: FaultCode | 'ok';
  readonly count: number;
};

const sampleMs = 500;
const keptMs = 60_000;

/**
 * How far pulls are. Nothing reports to it: it looks, twice a second and when it is asked, at what
 * there is of each layer and at the counters that downloads share between threads.
 */
export class PullProgressBoard {
  readonly #deps: ProgressDeps;
  readonly #running = new Set<WatchedPull>();
  #finished: readonly { readonly pull: PullProgress; readonly forgetAt: number }[] = [];
  #sampler: NodeJS.Timeout | undefined;
  readonly #counts = new Map<string, PullCount>();

  constructor(deps: ProgressDeps) {
    this.#deps = deps;
  }

  /** Follows `work` from its beginning to its end, whose result or error is passed on. */
  async watch<Result extends Pick<Image, 'id'>>(
    subject: Pick<PullProgress, 'kind' | 'reference'>,
    work: (planned: Planned) => Promise<Result>,
  ): Promise<Result> {
    const pull = new WatchedPull(subject, this.#deps);
    this.#running.add(pull);
    this.#sampler ??= setInterval(() => this.#sample(), sampleMs).unref();
    try {
      const image = await work((layers) => pull.plan(layers));
      this.#count(subject.kind, 'ok');
      this.#finish(pull, { kind: 'done', finishedAt: rfc3339(), imageId: image.id });
      return image;
    } catch (error) {
      const [code, message] = [faultCode(error), describe(error)];
      this.#count(subject.kind, code);
      this.#finish(pull, { kind: 'failed', finishedAt: rfc3339(), code, message });
      throw error;
    }
  }

  /** In the order in which they began, those that have ended first. */
  list(): readonly PullProgress[] {
    this.#forgetOld();
    const running = Array.from(this.#running, (pull) => pull.view({ kind: 'running' }));
    return [...this.#finished.map(({ pull }) => pull), ...running];
  }

  /** How many have ended since the start, by how they did. */
  counts(): readonly PullCount[] {
    return [...this.#counts.values()];
  }

  #count(kind: PullProgress['kind'], code: PullCount['code']): void {
    const key = `${kind} ${code}`;
    const count = (this.#counts.get(key)?.count ?? 0) + 1;
    this.#counts.set(key, { kind, code, count });
  }

  #finish(pull: WatchedPull, outcome: PullProgress['outcome']): void {
    this.#running.delete(pull);
    this.#forgetOld();
    const forgetAt = performance.now() + keptMs;
    this.#finished = [...this.#finished, { pull: pull.view(outcome), forgetAt }];
    if (this.#running.size > 0) return;
    clearInterval(this.#sampler);
    this.#sampler = undefined;
  }

  #forgetOld(): void {
    const now = performance.now();
    this.#finished = this.#finished.filter(({ forgetAt }) => forgetAt > now);
  }

  #sample(): void {
    for (const pull of this.#running) pull.sample();
  }
}
