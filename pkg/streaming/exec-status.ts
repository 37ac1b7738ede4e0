import { describe } from '#errors/fault.ts';

/** How a command ended, or why it could not be run to its end. */
export type Outcome =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'failed'; readonly cause: unknown };

/**
 * What is said on the error stream. Since v4 of the protocol it is a Status of Kubernetes' meta/v1 in
 * JSON; before, a text, and nothing at all after a success.
 */
export function statusText(outcome: Outcome, version: number): string {
  if (version >= 4) return JSON.stringify({ metadata: {}, ...status(outcome) });
  if (outcome.kind === 'failed') return describe(outcome.cause);
  return outcome.exitCode === 0 ? '' : endedWith(outcome.exitCode);
}

function status(outcome: Outcome): object {
  if (outcome.kind === 'failed') {
    const message = describe(outcome.cause);
    return { status: 'Failure', reason: 'InternalError', message, code: 500 };
  }
  const { exitCode } = outcome;
  if (exitCode === 0) return { status: 'Success' };
  return {
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: endedWith(exitCode),
    details: { causes: [{ reason: 'ExitCode', message: `${exitCode}` }] },
  };
}

function endedWith(exitCode: number): string {
  return `command terminated with non-zero exit code: ${exitCode}`;
}
