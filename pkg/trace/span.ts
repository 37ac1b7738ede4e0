import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, type FaultCode, faultCode } from '#errors/fault.ts';
import { clockOriginMs } from './clock-origin.ts';

/** The stages that operations consist of. Few and fixed: each is a label of a metric, too. */
export type StageName =
  // Waiting for another operation on the same pod or container.
  | 'lock'
  // Pods.
  | 'namespace'
  | 'files'
  | 'init'
  | 'network'
  // Containers.
  | 'image'
  | 'snapshot'
  | 'spec'
  | 'monitor'
  | 'runtime'
  | 'signal'
  | 'kill'
  | 'cgroup'
  | 'unmount'
  | 'delete'
  // Pulls.
  | 'resolve'
  | 'layer'
  | 'download'
  | 'unpack';

/** A program that was started for a span and has not ended. */
export type Program = { readonly pid: number; readonly path: string };

/** Something that takes time. Times are milliseconds, the beginning's since the Unix epoch. */
export type Span = {
  readonly name: string;
  readonly startedAtMs: number;
  /** Absent while it goes on. */
  readonly durationMs?: number;
  /** Why it failed; absent when it did not. */
  readonly error?: string;
  readonly code?: FaultCode;
  /** What it consists of, as it began. A stage may have stages. */
  readonly stages: readonly Span[];
  readonly programs: readonly Program[];
};

/** More stages than this of one operation are not kept: an image may have hundreds of layers. */
const maxStages = 200;

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** A span that goes on. Only this file changes one. */
type OpenSpan = Writable<Omit<Span, 'stages' | 'programs'>> & {
  readonly stages: Span[];
  readonly programs: Program[];
};

/** Where work is under way: its span, and the operation that this belongs to. */
type Scope = { readonly span: OpenSpan; readonly whole: Whole };
type Whole = {
  stages: number;
  readonly attributes: Record<string, string>;
  /**
   * What `performance.now()` counts from, by the clock as it was when the operation began: within one,
   * times do not jump with the clock, as durations must not.
   */
  readonly originMs: number;
};

const scopes = new AsyncLocalStorage<Scope>();

/**
 * Runs `work` as a stage of the operation, or of the stage, that is under way; when there is none, just
 * runs it. Costs about a microsecond.
 */
export function stage<Result>(name: StageName, work: () => Promise<Result>): Promise<Result>;
export function stage<Result>(name: StageName, work: () => Result): Result;
export function stage(name: StageName, work: () => unknown): unknown {
  const scope = scopes.getStore();
  if (scope === undefined || scope.whole.stages >= maxStages) return work();
  const span = openSpan(name, scope.whole);
  scope.whole.stages += 1;
  scope.span.stages.push(span);
  return run({ span, whole: scope.whole }, work, () => {});
}

/** Says what the operation that is under way is about, as `containerId`. */
export function annotate(attributes: Readonly<Record<string, string>>): void {
  const scope = scopes.getStore();
  if (scope !== undefined) Object.assign(scope.whole.attributes, attributes);
}

/** Notes a program that runs for the stage that is under way, until it has `ended`. */
export function noteProgram(program: Program, ended: Promise<unknown>): void {
  const span = scopes.getStore()?.span;
  if (span === undefined) return;
  span.programs.push(program);
  const forget = () => span.programs.splice(span.programs.indexOf(program), 1);
  ended.then(forget, forget);
}

/**
 * Runs `work` as an operation with `fields`, and hands it to `began` at once and to `ended` when it has
 * ended, well or not. For Tracer.
 */
export function runOperation<Fields extends { readonly name: string }>(
  fields: Fields,
  work: () => unknown,
  { began, ended }: Record<'began' | 'ended', (operation: Fields & Operated) => void>,
): unknown {
  const attributes: Record<string, string> = {};
  const whole = { stages: 0, attributes, originMs: clockOriginMs() };
  const operation = Object.assign(openSpan(fields.name, whole), fields, { attributes });
  began(operation);
  return run({ span: operation, whole }, work, () => ended(operation));
}

type Operated = Span & { readonly attributes: Readonly<Record<string, string>> };

function openSpan(name: string, whole: Whole): OpenSpan {
  return { name, startedAtMs: nowMs(whole), stages: [], programs: [] };
}

function run(scope: Scope, work: () => unknown, ended: () => void): unknown {
  const { span, whole } = scope;
  const end = (): void => {
    span.durationMs = nowMs(whole) - span.startedAtMs;
    ended();
  };
  const fail = (error: unknown): never => {
    span.error = describe(error);
    span.code = faultCode(error);
    end();
    throw error;
  };
  let result: unknown;
  try {
    result = scopes.run(scope, work);
  } catch (error) {
    return fail(error);
  }
  if (result instanceof Promise) {
    return result.then((value: unknown) => {
      end();
      return value;
    }, fail);
  }
  end();
  return result;
}

function nowMs({ originMs }: Whole): number {
  return originMs + performance.now();
}
