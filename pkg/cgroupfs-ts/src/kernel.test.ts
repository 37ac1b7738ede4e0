import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cgroupfs, openCgroupfs } from './cgroupfs.ts';
import { type CgroupMounts, hierarchyRoots, readMounts } from './mounts.ts';

// Against the hierarchies of this machine, in cgroups of our own.

const mounts = readMounts();
/** A v1 cpuset takes no process before it has processors. */
const usable = new Map([...mounts.legacy].filter(([name]) => name !== 'cpuset'));
const kinds: [string, CgroupMounts][] = [];
if (mounts.unified !== undefined) {
  kinds.push(['v2', { mode: 'unified', unified: mounts.unified, legacy: new Map() }]);
}
if (usable.size > 0) kinds.push(['v1', { mode: 'legacy', unified: undefined, legacy: usable }]);
if (mounts.mode === 'hybrid') kinds.push(['v1 with v2', { ...mounts, legacy: usable }]);

describe.each(kinds)('cgroup %s', (_, kind) => {
  let cgroupfs: Cgroupfs;
  let path: string;
  let children: ChildProcess[];

  beforeEach(() => {
    cgroupfs = openCgroupfs({ mounts: kind, removeTimeoutMs: 500 });
    path = `/gantry-test-${randomBytes(4).toString('hex')}`;
    children = [];
    make(path);
  });

  afterEach(async () => {
    await openCgroupfs({ mounts: kind }).kill(path);
    await cgroupfs.remove(path);
    for (const child of children) child.kill('SIGKILL');
  });

  function make(cgroup: string): void {
    for (const root of hierarchyRoots(kind)) mkdirSync(join(root, cgroup));
  }

  /** Starts a shell in the cgroup, which says when it is there. */
  async function start(cgroup: string, script: string): Promise<ChildProcess> {
    const files = hierarchyRoots(kind).map((root) => join(root, cgroup, 'cgroup.procs'));
    const enter = 'for file; do echo $$ > "$file"; done; echo there; ';
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    const child = spawn('sh', ['-c', enter + script, 'sh', ...files], { stdio: [...stdio] });
    children.push(child);
    await once(child.stdout ?? child, 'data');
    return child;
  }

  it('kills all processes, also those in cgroups below', async () => {
    make(`${path}/below`);
    const one = await start(path, 'sleep 1000 & sleep 1000');
    const two = await start(`${path}/below`, 'exec sleep 1000');
    await expect.poll(() => cgroupfs.processes(path)).toHaveLength(4);
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
    make(`${path}/below`);
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

  it('does not kill the process that asks', async () => {
    const own = join(hierarchyRoots(kind)[0] ?? '', path, 'cgroup.procs');
    const script = `import { writeFileSync } from 'node:fs';
      import { openCgroupfs } from '${import.meta.dirname}/cgroupfs.ts';
      writeFileSync('${own}', String(process.pid));
      await openCgroupfs().kill('${path}').catch((error) => console.log(error.message));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    children.push(child);
    const [output] = await once(child.stdout, 'data');
    expect(String(output)).toContain('this process is in it');
    await once(child, 'exit');
  });

  it('removes a cgroup with those below, once it is empty', async () => {
    make(`${path}/below`);
    make(`${path}/below/deep`);
    await start(`${path}/below`, 'exec sleep 1000');
    await expect(cgroupfs.remove(path)).rejects.toThrow(
      `remove cgroup "${path}": processes are in it`,
    );
    await cgroupfs.kill(path);
    await cgroupfs.remove(path);
    expect(cgroupfs.exists(path)).toBe(false);
    await cgroupfs.remove(path);
  });

  it('removes what is empty, and leaves what is used', async () => {
    make(`${path}/used`);
    make(`${path}/empty`);
    await start(`${path}/used`, 'exec sleep 1000');
    await cgroupfs.removeEmpty(path);
    expect(cgroupfs.exists(`${path}/used`)).toBe(true);
    expect(cgroupfs.exists(`${path}/empty`)).toBe(false);
  });

  it('removes ancestors that are empty, up to a given one', async () => {
    make(`${path}/a`);
    make(`${path}/a/b`);
    make(`${path}/a/b/c`);
    make(`${path}/a/other`);
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

  it.runIf(hasMemory(kind))('counts the processes killed for want of memory', async () => {
    limitMemory(kind, path);
    expect(await cgroupfs.oomKills(path)).toBe(0);
    const child = await start(path, 'exec tail /dev/zero');
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(await cgroupfs.oomKills(path)).toBe(1);
  });
});

function hasMemory({ unified, legacy }: CgroupMounts): boolean {
  if (legacy.has('memory')) return true;
  const controllers = join(unified ?? '', 'cgroup.subtree_control');
  return existsSync(controllers) && readFileSync(controllers, 'utf8').includes('memory');
}

function limitMemory({ unified, legacy }: CgroupMounts, path: string): void {
  const limitBytes = String(16 << 20);
  const memory = legacy.get('memory');
  if (memory === undefined) {
    writeFileSync(join(unified ?? '', path, 'memory.max'), limitBytes);
    writeFileSync(join(unified ?? '', path, 'memory.swap.max'), '0');
    return;
  }
  writeFileSync(join(memory, path, 'memory.limit_in_bytes'), limitBytes);
  const withSwap = join(memory, path, 'memory.memsw.limit_in_bytes');
  if (existsSync(withSwap)) writeFileSync(withSwap, limitBytes);
}
