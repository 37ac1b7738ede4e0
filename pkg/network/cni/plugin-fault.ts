import { Fault, type FaultCode } from '#errors/fault.ts';
import { type JsonObject, parseJsonObject } from './json-object.ts';

/** A plugin refused, failed, or answered with something else than an answer. */
export class PluginFault extends Fault {
  /** The plugin's own number for what happened (SPEC.md, "Error"), if it gave one. */
  readonly pluginCode: number | undefined;

  constructor(code: FaultCode, message: string, pluginCode?: number) {
    super(code, message);
    this.pluginCode = pluginCode;
  }
}

/** What the numbers of SPEC.md mean to a caller; the others are the plugin's own. */
const meanings: Readonly<Record<number, FaultCode>> = {
  1: 'failed-precondition',
  2: 'failed-precondition',
  4: 'failed-precondition',
  7: 'failed-precondition',
  11: 'unavailable',
  50: 'unavailable',
  51: 'unavailable',
};

/** The plugin is available, but what is connected already may not get far. */
export const limitedConnectivity = 51;

/** The error that a plugin tells of in JSON, or undefined when the text does not hold one. */
export function toldFault(act: string, text: string): PluginFault | undefined {
  const told = parseJsonObject(text);
  if (told === undefined || !isError(told)) return undefined;
  const { code, msg, details } = told;
  const words = [msg, details].filter((word) => typeof word === 'string' && word !== '');
  const meaning = meanings[code] ?? 'internal';
  return new PluginFault(meaning, `${act}: ${words.join(': ')} (code ${code})`, code);
}

function isError(told: JsonObject): told is JsonObject & { code: number; msg: string } {
  return typeof told['code'] === 'number' && typeof told['msg'] === 'string';
}
