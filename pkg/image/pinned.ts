import type { Image } from './image.ts';
import { formatReference, parseReference } from './reference.ts';

/**
 * Tells which images kubelet must not remove to make room: those with a name that one of the patterns
 * fits. In a pattern `*` stands for any characters; one without is a reference as people write them.
 * Throws `invalid-argument` on what can be neither.
 */
export function pinnedBy(patterns: readonly string[]): (image: Image) => boolean {
  const expressions = patterns.map(expressionOf);
  return ({ repoTags, repoDigests }) =>
    [...repoTags, ...repoDigests].some((name) => expressions.some((each) => each.test(name)));
}

function expressionOf(pattern: string): RegExp {
  const whole = pattern.includes('*') ? pattern : formatReference(parseReference(pattern));
  return new RegExp(
    `^${whole
      .split('*')
      .map((part) => RegExp.escape(part))
      .join('.*')}$`,
  );
}
