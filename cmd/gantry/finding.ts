/** What a check of this node has come to. */
export type Finding = {
  /** What was looked at, in one or two words, after the topic: `kernel: overlayfs`. */
  readonly check: string;
  readonly status: 'ok' | 'warning' | 'problem';
  /** What there is, or what is wrong with it. */
  readonly detail: string;
  /** A command that mends it, or says more. */
  readonly mend?: string;
};

export function ok(check: string, detail: string): Finding {
  return { check, status: 'ok', detail };
}

/** Something that works but should be looked at. */
export function warning(check: string, detail: string, mend?: string): Finding {
  return { check, status: 'warning', detail, ...(mend === undefined ? {} : { mend }) };
}

/** Something for the want of which pods do not work. */
export function problem(check: string, detail: string, mend?: string): Finding {
  return { check, status: 'problem', detail, ...(mend === undefined ? {} : { mend }) };
}
