import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cgroupfs, openCgroupfs } from './cgroupfs.ts';
import { hasController, kinds, type OwnCgroup, ownCgroup } from './kernel-fixture.ts';
import { hierarchyRoots } from './mounts.ts';

// Against the hierarchies of this machine, in cgroups of our own.

describe.each(kinds)('cgroup %s', (_, kind) => {
  let own: OwnCgroup;
  let cgroupfs: Cgroupfs;
  let path: string;
  let start: OwnCgroup['start'];

  beforeEach(async () => {
    own = await ownCgroup(kind);
    ({ cgroupfs, path, start } = own);
  });

  afterEach(() => own[Symbol.asyncDispose]());

  it('kills all processes, also those in cgroups below', async () => {
    await cgroupfs.create(`${path}/beside`);
    await cgroupfs.create(`${path}/below`);
    const one = await start(`${path}/beside`, 'sleep 1000 & sleep 1000');
    const two = await start(`${path}/below`, 'exec sleep 1000');
    await expect.poll(() => cgroupfs.processes(path)).toHaveLength(4);
    const listed = await cgroupfs.processes(path);
    using reader = cgroupfs.openStats(path);
    expect(new Set(reader.processes())).toEqual(new Set(listed));
    expect(await cgroupfs.processes(`${path}/below`)).toEqual([two.pid]);
    const ended = Promise.all([once(one, 'exit'), once(two, 'exit')]);
    await cgroupfs.kill(path);
    expect(await ended).toEqual([
      [null, 'SIGKILL'],
      [null, 'SIGKILL'],
    ]);
    expect(await cgroupfs.processes(path)).toEqual([]);
  });

  it('kills processes that ignore signals and keep making others', async () => {
    await start(path, "trap '' TERM; while :; do sleep 0.01 & done");
    await expect.poll(async () => (await cgroupfs.processes(path)).length).toBeGreaterThan(2);
    await cgroupfs.kill(path);
    expect(await cgroupfs.processes(path)).toEqual([]);
  });

  it('kills what somebody froze', async () => {
    const legacy = kind.legacy.get('freezer');
    const [file, value] =
      legacy === undefined
        ? [join(kind.unified ?? '', path, 'cgroup.freeze'), '1']
        : [join(legacy, path, 'freezer.state'), 'FROZEN'];
    await start(path, 'exec sleep 1000');
    expect(await cgroupfs.frozen(path)).toBe(false);
    writeFileSync(file, value);
    await expect.poll(() => cgroupfs.frozen(path)).toBe(true);
    await cgroupfs.kill(path);
    expect(await cgroupfs.processes(path)).toEqual([]);
  });

  // A process below a frozen v1 cgroup does not get to its own end. (On v2 it does.)
  it.runIf(kind.legacy.has('freezer'))('says who stays when the time is over', async () => {
    const above = join(kind.legacy.get('freezer') ?? '', path, 'freezer.state');
    await cgroupfs.create(`${path}/below`);
    const child = await start(`${path}/below`, 'exec sleep 1000');
    writeFileSync(above, 'FROZEN');
    const hasty = openCgroupfs({ mounts: kind, killTimeoutMs: 50 });
    await expect(hasty.kill(`${path}/below`)).rejects.toMatchObject({
      name: 'CgroupError',
      path: `${path}/below`,
      message: expect.stringMatching(
        new RegExp(`^kill cgroup "${path}/below": still there: ${child.pid} \\(state [A-Z]`),
      ),
    });
  });

  it.runIf(kind.mode === 'unified')('sees and kills processes with threaded cgroups', async () => {
    const threaded = join(kind.unified ?? '', path, 'threaded');
    // Not by create(): a cgroup that passes controllers of memory on has no threaded ones below.
    mkdirSync(threaded);
    writeFileSync(join(threaded, 'cgroup.type'), 'threaded');
    const child = await start(path, 'exec sleep 1000');
    expect(await cgroupfs.processes(path)).toEqual([child.pid]);
    await cgroupfs.kill(`${path}/threaded`);
    expect(await cgroupfs.processes(path)).toEqual([child.pid]);
    await cgroupfs.kill(path);
    expect(await cgroupfs.processes(path)).toEqual([]);
  });

  it('creates a cgroup below processes, which takes processes itself', async () => {
    await start(path, 'exec sleep 1000');
    await cgroupfs.create(`${path}/below`);
    const child = await start(`${path}/below`, 'exec sleep 1000');
    expect(await cgroupfs.processes(`${path}/below`)).toEqual([child.pid]);
  });

  it('does not kill the process that asks', async () => {
    const procs = join(hierarchyRoots(kind)[0] ?? '', path, 'cgroup.procs');
    const script = `import { mkdirSync, writeFileSync } from 'node:fs';
      import { openCgroupfs } from '${import.meta.dirname}/cgroupfs.ts';
      writeFileSync('${procs}', String(process.pid));
      await openCgroupfs().kill('${path}').catch((error) => console.log(error.message));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const ended = once(child, 'exit');
    const [output] = await once(child.stdout, 'data');
    expect(String(output)).toContain('this process is in it');
    expect(await ended).toEqual([0, null]);
  });

  it('removes a cgroup with those below, once it is empty', async () => {
    await cgroupfs.create(`${path}/below/deep`);
    await start(`${path}/below/deep`, 'exec sleep 1000');
    await expect(cgroupfs.remove(path)).rejects.toThrow(
      `remove cgroup "${path}": processes are in it`,
    );
    await cgroupfs.kill(path);
    await cgroupfs.remove(path);
    expect(cgroupfs.exists(path)).toBe(false);
    await cgroupfs.remove(path);
  });

  it('removes what is empty, and leaves what is used', async () => {
    await cgroupfs.create(`${path}/used`);
    await cgroupfs.create(`${path}/empty`);
    await start(`${path}/used`, 'exec sleep 1000');
    await cgroupfs.removeEmpty(path);
    expect(cgroupfs.exists(`${path}/used`)).toBe(true);
    expect(cgroupfs.exists(`${path}/empty`)).toBe(false);
  });

  it('removes ancestors that are empty, up to a given one', async () => {
    await cgroupfs.create(`${path}/a`);
    await cgroupfs.create(`${path}/a/b`);
    await cgroupfs.create(`${path}/a/b/c`);
    await cgroupfs.create(`${path}/a/other`);
    await cgroupfs.remove(`${path}/a/b/c`);
    await cgroupfs.removeEmptyAncestors(`${path}/a/b/c`, path);
    expect(cgroupfs.exists(`${path}/a/b`)).toBe(false);
    expect(cgroupfs.exists(`${path}/a/other`)).toBe(true);
    await cgroupfs.remove(`${path}/a/other`);
    await cgroupfs.removeEmptyAncestors(`${path}/a/other`, path);
    expect(cgroupfs.exists(`${path}/a`)).toBe(false);
    expect(cgroupfs.exists(path)).toBe(true);
  });

  it('takes a cgroup that is gone for empty', async () => {
    const gone = `${path}/gone`;
    await cgroupfs.kill(gone);
    await cgroupfs.removeEmptyAncestors(`${gone}/below`, path);
    expect(await cgroupfs.processes(gone)).toEqual([]);
    expect(await cgroupfs.frozen(gone)).toBe(false);
  });

  it.runIf(hasController(kind, 'memory'))(
    'counts the processes killed for want of memory',
    async () => {
      const limitBytes = 16 << 20;
      await cgroupfs.setLimits(path, { memory: { limitBytes, memoryAndSwapBytes: limitBytes } });
      expect(await cgroupfs.oomKills(path)).toBe(0);
      const child = await start(path, 'exec tail /dev/zero');
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
      expect(await cgroupfs.oomKills(path)).toBe(1);
    },
  );
});
