/** What could not be done to which cgroup. `cause` is the kernel's refusal, where there was one. */
export class CgroupError extends Error {
  override readonly name: string = 'CgroupError';
  readonly path: string;

  constructor(act: string, path: string, options: { reason: string; cause?: unknown }) {
    super(`${act} cgroup "${path}": ${options.reason}`, options);
    this.path = path;
  }
}

/** Whether a file operation failed with one of these error numbers, e.g. `ENOENT`. */
export function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return (
    thrown instanceof Error &&
    'code' in thrown &&
    typeof thrown.code === 'string' &&
    codes.includes(thrown.code)
  );
}

/** A cgroup or a process, or a file of theirs, that is no more: by path, or under an open file. */
export function isGone(thrown: unknown): boolean {
  return hasCode(thrown, 'ENOENT', 'ENODEV', 'ESRCH');
}
