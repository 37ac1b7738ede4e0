import { isatty } from 'node:tty';
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';

/** Whether people look at standard output, for whom it may be laid out and coloured. */
export function isTerminal(): boolean {
  return isatty(1);
}

/** Text in a style where it is wanted: https://no-color.org. */
export function styled(style: Style, text: string): string {
  const hasColour = isTerminal() && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
  return hasColour ? styleText(style, text, { validateStream: false }) : text;
}

/** Text of others, harmless to a terminal: control characters are written as `\x1b`. */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- those are what it is about
    /[\u0000-\u001F\u007F-\u009F]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** The style of a state: what is well, what has ended, what is wrong. */
export function styleOfState(state: string, exitCode = 0): Style {
  if (state === 'running' || state === 'ready') return 'green';
  if (exitCode !== 0) return 'red';
  return state === 'exited' || state === 'stopped' ? 'dim' : 'yellow';
}
