import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { leftovers, sweep } from './leftovers.ts';
import { claimPlace, type Place } from './place.ts';
import { eventually } from './wait.ts';

const id = 'a'.repeat(64);

function run(command: string): void {
  execFileSync('/bin/sh', ['-ec', command]);
}

/** One of everything that a pod may leave. */
function litter(place: Place): void {
  const namespace = join(place.state, 'sandboxes', id);
  mkdirSync(namespace, { recursive: true });
  mkdirSync(place.root);
  run(`mount -t tmpfs gantry-test ${namespace}`);
  run(`ip link add ${place.bridge} type bridge`);
  run(`ip link add ${place.bridge}-x type veth peer name ${place.bridge}-y`);
  run(`ip link set ${place.bridge}-x master ${place.bridge}`);
  run(`nft 'add table ip ${place.bridge}; add chain ip ${place.bridge} of-${place.bridge}'`);
  run(`mkdir -p ${cgroupOf(place)}/pod`);
  using database = new DatabaseSync(join(place.root, 'gantry.db'));
  database.exec('CREATE TABLE pod_addresses (id TEXT, address TEXT)');
  database.prepare('INSERT INTO pod_addresses VALUES (?, ?)').run(id, '10.0.0.2');
}

/** In a v1 hierarchy, or in the only one of v2. */
function cgroupOf(place: Place): string {
  const top = '/sys/fs/cgroup';
  const hierarchy = execFileSync('sh', [
    '-c',
    `[ -d ${top}/pids ] && echo ${top}/pids || echo ${top}`,
  ]);
  return join(hierarchy.toString().trim(), place.cgroupParent);
}

test('leftovers has one line for everything that a pod may leave, and sweep removes it', async () => {
  await using place = await claimPlace();
  await using litterBin = new AsyncDisposableStack();
  litterBin.defer(async () => sweep(place));
  expect(await leftovers(place)).toEqual([]);
  litter(place);
  const sleeper = spawn('tail', ['-f', place.config], { stdio: 'ignore' });
  const pid = sleeper.pid;
  const ended = once(sleeper, 'exit');

  const found = await eventually('the process shows', async () => {
    const lines = await leftovers(place);
    return lines.some((line) => line.startsWith(`process ${pid}: tail`)) && lines;
  });
  expect(found).toEqual(
    expect.arrayContaining([
      `mount ${join(place.state, 'sandboxes', id)}`,
      `folder ${join(place.state, 'sandboxes', id)}`,
      `link ${place.bridge}-x`,
      `link ${place.bridge}`,
      `nft table ip ${place.bridge}`,
      `cgroup ${join(cgroupOf(place), 'pod')}`,
      expect.stringMatching(/^record pod_addresses .*10\.0\.0\.2/),
    ]),
  );

  await sweep(place);
  await ended;
  const left = await leftovers(place);
  expect(left.filter((line) => !/^(folder|record) /.test(line))).toEqual([]);
});
