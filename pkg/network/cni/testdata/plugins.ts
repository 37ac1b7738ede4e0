import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type JsonObject, parseJsonObject } from '#network/cni/json-object.ts';

const program = fileURLToPath(new URL('plugin', import.meta.url));

/** A folder with CNI plugins that do as they are told, and a folder for the configuration of networks. */
export class TestPlugins {
  readonly binDir: string;
  readonly confDir: string;

  constructor(folder: string) {
    this.binDir = join(folder, 'bin');
    this.confDir = join(folder, 'net.d');
    mkdirSync(this.binDir);
    mkdirSync(this.confDir);
  }

  install(...types: string[]): void {
    for (const type of types) copyFileSync(program, join(this.binDir, type));
  }

  /** What a plugin does from now on when it is told `command`: shell, run before its own answer. */
  teach(type: string, command: string, script: string): void {
    writeFileSync(join(this.binDir, `${type}.${command}`), script);
  }

  forget(type: string, command: string): void {
    rmSync(join(this.binDir, `${type}.${command}`));
  }

  configure(file: string, config: object): void {
    writeFileSync(join(this.confDir, file), JSON.stringify(config));
  }

  /** `<plugin> <command> <pod>` of each call but VERSION, in order. */
  calls(): string[] {
    const path = join(this.binDir, 'calls');
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    return lines.map((line) => line.trim()).filter((line) => !line.includes(' VERSION'));
  }

  forgetCalls(): void {
    rmSync(join(this.binDir, 'calls'), { force: true });
  }

  /** What a plugin was given on standard input, the last time. */
  input(type: string, command: string): JsonObject {
    const text = readFileSync(join(this.binDir, `${type}.${command}.input`), 'utf8');
    return parseJsonObject(text) ?? {};
  }

  /** The variables of CNI that it had. */
  env(type: string, command: string): Record<string, string> {
    const lines = readFileSync(join(this.binDir, `${type}.${command}.env`), 'utf8').split('\n');
    const entries = lines
      .filter((line) => line.startsWith('CNI_'))
      .map((line): [string, string] => [
        line.slice(0, line.indexOf('=')),
        line.slice(line.indexOf('=') + 1),
      ]);
    return Object.fromEntries(entries);
  }
}
