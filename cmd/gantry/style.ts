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

/** What takes two columns of a terminal: https://www.unicode.org/reports/tr11/ */
const wide =
  /[\u{1100}-\u{115F}\u{2E80}-\u{303E}\u{3041}-\u{A4CF}\u{AC00}-\u{D7A3}\u{F900}-\u{FAFF}\u{FE30}-\u{FE6F}\u{FF00}-\u{FF60}\u{FFE0}-\u{FFE6}\u{1F300}-\u{1F64F}\u{1F680}-\u{1F6FF}\u{1F900}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;
/** What goes onto the character before it. */
const added = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** How many columns of a terminal a text without styles takes. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOfOne(character);
  return columns;
}

/** As much of the beginning of a text without styles as fits into so many columns. */
export function cutTo(columns: number, text: string): string {
  let [taken, end] = [0, 0];
  for (const character of text) {
    taken += columnsOfOne(character);
    if (taken > columns) return text.slice(0, end);
    end += character.length;
  }
  return text;
}

function columnsOfOne(character: string): number {
  if (wide.test(character)) return 2;
  return added.test(character) ? 0 : 1;
}
