/** critest against a daemon and a registry of its own, held against the ratchet. See hack/conformance. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startDaemon, type Daemon } from '#harness/daemon.ts';
import { untilInterrupted } from '#harness/interruption.ts';
import { startRegistry } from '#harness/registry.ts';
import { type CritestOptions, reportNames, runCritest } from './conformance-critest.ts';
import { imageHosts, pushImages } from './conformance-images.ts';
import {
  judge,
  missingSpecs,
  type Ratchet,
  type Spec,
  tighten,
  type Verdict,
} from './conformance-ratchet.ts';

const { values: options } = parseArgs({
  options: {
    handler: { type: 'string', default: 'crun' },
    focus: { type: 'string' },
    skip: { type: 'string', multiple: true, default: [] },
    parallel: { type: 'string', default: '4' },
    reports: { type: 'string' },
    update: { type: 'boolean', default: false },
  },
});

const interrupted = untilInterrupted();
const ratchetFile = fileURLToPath(new URL('../test/conformance/ratchet.json', import.meta.url));
const ratchet: Ratchet = JSON.parse(readFileSync(ratchetFile, 'utf8'));

/** Runs the suite and takes everything down again; an error if something is left. */
async function conformance(): Promise<Spec[]> {
  await using resources = new AsyncDisposableStack();
  const registry = resources.use(await startRegistry());
  await pushImages(registry.host);
  const certs = await mkdtemp(join(tmpdir(), 'gantry-certs-'));
  resources.defer(async () => rm(certs, { recursive: true }));
  writeMirrors(certs, registry.host);
  const extraConfig = `[image]\ncerts_dirs = ["${certs}"]\n[runtime]\ndefault_handler = "${options.handler}"\n`;
  const daemon = resources.use(await startDaemon({ extraConfig }));
  try {
    const specs: Spec[] = [];
    for (const run of runs()) {
      specs.push(...(await runCritest(daemon.place, folderOf(daemon, run), run)));
    }
    await daemon.takeDown();
    return specs;
  } finally {
    if (options.reports !== undefined) keepReports(daemon, options.reports);
  }
}

/** The registry stands for every host that critest pulls from; nothing is asked of the internet. */
function writeMirrors(certs: string, host: string): void {
  for (const name of imageHosts) {
    mkdirSync(join(certs, name));
    writeFileSync(join(certs, name, 'hosts.toml'), `server = "http://${host}"\n`);
  }
}

/** All by SPDY, and what is streamed by WebSocket as well. */
function runs(): CritestOptions[] {
  const excluded = Object.keys(ratchet.excluded).map((name) => `${RegExp.escape(name)}$`);
  const { focus } = options;
  const base = {
    parallel: Number(options.parallel),
    skip: [...options.skip, ...excluded],
    signal: interrupted,
  };
  const all = { ...base, transport: 'spdy' as const, ...(focus === undefined ? {} : { focus }) };
  if (focus !== undefined && !/streaming/i.test(focus)) return [all];
  return [all, { ...base, transport: 'websocket', focus: focus ?? 'Streaming' }];
}

function folderOf({ place }: Daemon, { transport }: Pick<CritestOptions, 'transport'>): string {
  return join(place.directory, `critest-${transport}`);
}

function keepReports(daemon: Daemon, target: string): void {
  copyThere([daemon.place.log], target);
  copyThere(reportsOf(folderOf(daemon, { transport: 'spdy' })), target);
  copyThere(reportsOf(folderOf(daemon, { transport: 'websocket' })), join(target, 'websocket'));
}

function reportsOf(folder: string): string[] {
  return reportNames.map((name) => join(folder, name)).filter((path) => existsSync(path));
}

function copyThere(files: readonly string[], target: string): void {
  mkdirSync(target, { recursive: true });
  for (const path of files) copyFileSync(path, join(target, basename(path)));
}

function show(verdict: Verdict): void {
  for (const { name, outcome, message } of verdict.broken) {
    console.log(`\n${outcome}: ${name}\n${firstLines(message)}`);
  }
  for (const { name } of verdict.gained) console.log(`passes now: ${name}`);
  if (verdict.gained.length > 0 && !options.update) {
    console.log('hack/conformance --update makes these obligatory');
  }
  console.log(
    `\ncritest with ${options.handler}: ${verdict.awaited.length} fail for a known reason, ${verdict.skipped.length} are skipped: the node or the handler cannot`,
  );
  console.log(`${verdict.passed.length} passed, ${verdict.broken.length} failed`);
}

/** What went wrong is said first; then Go shows what is in the error. */
function firstLines(message: string): string {
  const lines = message.split('\n').slice(0, 5);
  return lines.map((line) => `    ${line}`).join('\n');
}

function update(verdict: Verdict): void {
  writeFileSync(ratchetFile, `${JSON.stringify(tighten(ratchet, verdict), null, 2)}\n`);
  execFileSync('oxfmt', [ratchetFile]);
}

try {
  const specs = await conformance();
  if (specs.length === 0) throw new Error('no spec was chosen');
  const isWhole = options.focus === undefined && options.skip.length === 0;
  const judged = isWhole ? [...specs, ...missingSpecs(ratchet, specs)] : specs;
  const verdict = judge(ratchet, options.handler, judged);
  show(verdict);
  if (options.update) update(verdict);
  process.exitCode = verdict.broken.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`conformance: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
