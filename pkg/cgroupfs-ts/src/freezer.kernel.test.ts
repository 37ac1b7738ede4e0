import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cgroupfs, openCgroupfs } from './cgroupfs.ts';
import { kinds, type OwnCgroup, ownCgroup } from './kernel-fixture.ts';
import { hierarchyRoots } from './mounts.ts';

describe.each(kinds)('freezing cgroup %s', (_, kind) => {
  let own: OwnCgroup;
  let cgroupfs: Cgroupfs;
  let path: string;

  beforeEach(async () => {
    own = await ownCgroup(kind);
    ({ cgroupfs, path } = own);
  });

  afterEach(() => own[Symbol.asyncDispose]());

  it('makes processes stand still, those below, too, and go on', async () => {
    const below = `${path}/below`;
    await cgroupfs.create(below);
    await own.start(below, 'while :; do :; done');
    await cgroupfs.create(`${path}/beside`);
    await own.start(`${path}/beside`, 'while sleep 0.001; do :; done');
    const usage = async () => (await cgroupfs.readStats(below))?.cpu?.usageUs ?? Number.NaN;
    await cgroupfs.freeze(path);
    expect(await cgroupfs.frozen(path)).toBe(true);
    expect(await cgroupfs.frozen(below)).toBe(true);
    const stood = await usage();
    const until = performance.now() + 50;
    while (performance.now() < until) expect(await usage()).toBe(stood);
    await cgroupfs.freeze(path);
    await cgroupfs.thaw(path);
    expect(await cgroupfs.frozen(path)).toBe(false);
    await expect.poll(usage).toBeGreaterThan(stood);
    await cgroupfs.thaw(path);
  });

  it('says when an ancestor is frozen, and stays so', async () => {
    const below = `${path}/below`;
    await cgroupfs.create(below);
    await cgroupfs.freeze(path);
    const hasty = openCgroupfs({ mounts: kind, freezeTimeoutMs: 20 });
    await expect(hasty.thaw(below)).rejects.toThrow(
      `thaw cgroup "${below}": an ancestor is frozen`,
    );
    await cgroupfs.thaw(path);
    expect(await cgroupfs.frozen(below)).toBe(false);
  });

  it('freezes and thaws what is gone without a word', async () => {
    await cgroupfs.freeze(`${path}/gone`);
    await cgroupfs.thaw(`${path}/gone`);
  });

  it('does not freeze the process that asks', async () => {
    const procs = join(hierarchyRoots(kind)[0] ?? '', path, 'cgroup.procs');
    const script = `import { writeFileSync } from 'node:fs';
      import { openCgroupfs } from '${import.meta.dirname}/cgroupfs.ts';
      writeFileSync('${procs}', String(process.pid));
      await openCgroupfs().freeze('${path}').catch((error) => console.log(error.message));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    expect(await text(child.stdout)).toBe(`freeze cgroup "${path}": this process is in it\n`);
  });
});
