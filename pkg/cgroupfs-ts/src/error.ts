/** More on a failure: why, at which control file, with which value. `cause` is the kernel's refusal. */
export type CgroupErrorOptions = {
  readonly reason: string;
  readonly file?: string;
  readonly value?: string;
  readonly cause?: unknown;
};

/** What could not be done to which cgroup. */
export class CgroupError extends Error {
  override readonly name: string = 'CgroupError';
  readonly path: string;
  /** The control file, as in `memory.max`, where one was the trouble; its name only. */
  readonly file: string | undefined;
  /** What was to be written to it. */
  readonly value: string | undefined;

  constructor(act: string, path: string, { reason, file, value, cause }: CgroupErrorOptions) {
    const place = file === undefined ? '' : `${file} = "${value ?? ''}": `;
    super(`${act} cgroup "${path}": ${place}${reason}`, cause === undefined ? {} : { cause });
    this.path = path;
    this.file = file;
    this.value = value;
  }
}

/** The error number of a failed file operation, as in `ENOENT`; empty for other errors. */
export function codeOf(thrown: unknown): string {
  const isCoded = thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string';
  return isCoded ? String(thrown.code) : '';
}

/** Whether a file operation failed with one of these. Node says ENOTSUP where Linux has EOPNOTSUPP. */
export function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(codeOf(thrown));
}

/** A cgroup or a process, or a file of theirs, that is no more: by path, or under an open file. */
export function isGone(thrown: unknown): boolean {
  return hasCode(thrown, 'ENOENT', 'ENODEV', 'ESRCH');
}
