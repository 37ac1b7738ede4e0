import { readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect } from 'vitest';
import type { Daemon } from './harness/daemon.ts';
import { test } from './harness/fixture.ts';
import { gantry, gantryOutcome, launcher, startGantry } from './harness/gantry.ts';
import {
  containerConfig,
  exec,
  forever,
  type Pod,
  podConfig,
  podStatus,
  runContainer,
  sh,
  shell,
  uniqueName,
  waitForExit,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

type Named = { readonly pod: Pod; readonly name: string };

async function namedPod({ cri, place }: Daemon, namespace = 'default'): Promise<Named> {
  const name = uniqueName('web');
  const metadata = { name, namespace, uid: `uid-${name}`, attempt: 0 };
  const config = podConfig({ place }, { metadata });
  const { podSandboxId } = await cri.runPodSandbox({ config });
  return { pod: { id: podSandboxId, config }, name };
}

const named = (image: string, name: string, script: { readonly command: readonly string[] }) =>
  containerConfig(image, { metadata: { name, attempt: 0 }, ...script });

/** The fields of each line that is not the heading. */
const rowsOf = (table: string): string[][] =>
  table
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'));

describe('ps and pods', () => {
  test('list what there is, for people and for programs', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const { pod, name } = await namedPod(daemon);
    const running = await runContainer(cri, pod, named(busybox, 'nginx', forever));
    const ended = await runContainer(cri, pod, named(busybox, 'job', { command: sh('exit 3') }));
    await waitForExit(cri, ended);

    const [row, ...others] = rowsOf(await gantry(place, 'ps'));
    expect(others).toEqual([]);
    expect(row?.slice(0, 5)).toEqual([
      running.slice(0, 12),
      'nginx',
      `default/${name}`,
      'running',
      '0',
    ]);
    const all = JSON.parse(await gantry(place, 'ps', '-a', '--json'));
    expect(all).toMatchObject([
      { id: running, state: 'running', pid: expect.any(Number) },
      { id: ended, state: 'exited', exitCode: 3, reason: 'Error' },
    ]);
    expect(await gantry(place, 'ps', '-aq', name)).toBe(`${running}\n${ended}`);
    expect(rowsOf(await gantry(place, 'pods'))[0]?.slice(0, 5)).toEqual([
      pod.id.slice(0, 12),
      'default',
      name,
      'ready',
      '1/2',
    ]);
    const [view] = JSON.parse(await gantry(place, 'pods', '--json', '-n', 'default'));
    expect(view).toMatchObject({ id: pod.id, name, addresses: [expect.stringMatching(/^10\./)] });
    await cri.stopPodSandbox({ podSandboxId: pod.id });
    // It is free for another pod now.
    const [stopped] = rowsOf(await gantry(place, 'pods'));
    expect(stopped?.slice(3, 6)).toEqual(['stopped', '0/2', '-']);
    expect(await gantry(place, 'pods', '-q', '-n', 'none')).toBe('');
  });

  test('make a table with colours on a terminal, unless they are not wanted', async ({
    daemon,
    busybox,
  }) => {
    const { pod } = await namedPod(daemon);
    await runContainer(daemon.cri, pod, named(busybox, 'nginx', forever));
    const onTerminal = async (variables: Record<string, string>) => {
      const env = { GANTRY_ADDRESS: daemon.place.adminSocket, ...variables };
      return (await execa('script', ['-qec', `${launcher} ps`, '/dev/null'], { env })).stdout;
    };
    const coloured = await onTerminal({ TERM: 'xterm' });
    expect(coloured).toContain('\u001B[1mCONTAINER');
    expect(coloured).toContain('\u001B[32mrunning');
    const plain = await onTerminal({ TERM: 'xterm', NO_COLOR: '1' });
    expect(plain).toMatch(/^CONTAINER +NAME +POD /);
    expect(plain).not.toContain('\u001B');
  });
});

describe('names', () => {
  test('may be what is clear, and are not guessed', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const [one, other] = [await namedPod(daemon), await namedPod(daemon, 'kube-system')];
    const id = await runContainer(cri, one.pod, named(busybox, 'app', forever));
    const twin = await runContainer(cri, other.pod, named(busybox, 'app', forever));
    for (const text of [id, id.slice(0, 12), `${one.name}/app`, `default/${one.name}/app`]) {
      expect(await idOf(daemon, text), text).toBe(id);
    }
    const outcome = await gantryOutcome(place, 'exec', 'app', 'true');
    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
    expect(outcome.stderr).toContain('gantry: "app" may be each of these containers:');
    expect(outcome.stderr).toContain(`${id.slice(0, 12)}   default/${one.name}/app`);
    expect(outcome.stderr).toContain(`${twin.slice(0, 12)}   kube-system/${other.name}/app`);
    expect(await gantryOutcome(place, 'exec', 'none', 'true')).toMatchObject({
      exitCode: 1,
      stderr: 'gantry: there is no container "none"',
    });
  });

  test('are completed', async ({ daemon, busybox }) => {
    const { pod, name } = await namedPod(daemon);
    await runContainer(daemon.cri, pod, named(busybox, 'nginx', forever));
    const script = `
      PATH=${launcher.replace(/\/gantry$/, '')}:$PATH
      source <(gantry completion bash)
      complete_for() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gantry; echo "\${COMPREPLY[*]}"; }
      complete_for gantry insp
      complete_for gantry images pu
      complete_for gantry exec ${name}/
      complete_for gantry nsenter --mo
    `;
    const env = { GANTRY_ADDRESS: daemon.place.adminSocket };
    const { stdout } = await execa('bash', ['-c', script], { env });
    expect(stdout.split('\n')).toEqual(['inspect', 'pull', `${name}/nginx`, '--mount']);
  });

  test('are completed by bash, colons and all, and mean nothing else to it', async ({
    daemon,
    busybox,
  }) => {
    const { pod } = await namedPod(daemon);
    const hostile = 'x$(echo ran)';
    await runContainer(daemon.cri, pod, named(busybox, hostile, forever));
    const complete = async (...words: readonly string[]) => {
      const script = `source <(${launcher} completion bash)
        gantry() { ${launcher} "$@"; }
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _gantry; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await execa('bash', ['-c', script, 'bash', 'gantry', ...words], {
        env: { GANTRY_ADDRESS: daemon.place.adminSocket },
      });
      return stdout;
    };
    const [host = '', port = '', tag = ''] = busybox.split(':');
    const begun = ['images', 'rm', host];
    expect(await complete(...begun)).toBe(busybox);
    expect(await complete(...begun, ':')).toBe(`${port}:${tag}`);
    expect(await complete(...begun, ':', port.slice(0, 2))).toBe(`${port}:${tag}`);
    expect(await complete(...begun, ':', port, ':', 'la')).toBe(tag);
    expect(await complete('exec', 'x')).toBe(hostile);
  });
});

describe('inspect', () => {
  test('tells what the kernel has of a container', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const { pod, name } = await namedPod(daemon);
    const limits = { memoryLimitInBytes: 64 << 20, cpuQuota: 50_000, cpuPeriod: 100_000 };
    const id = await runContainer(cri, pod, {
      ...named(busybox, 'nginx', forever),
      linux: { resources: limits },
      mounts: [{ containerPath: '/data', hostPath: place.directory, readonly: true }],
    });
    const facts = JSON.parse(await gantry(place, 'inspect', '--json', `${name}/nginx`));
    const { pid } = facts.container;
    for (const { type, inode } of facts.namespaces) {
      const file = { network: 'net', mount: 'mnt' }[String(type)] ?? type;
      expect((await stat(`/proc/${pid}/ns/${file}`)).ino, type).toBe(inode);
    }
    expect(facts.namespaces).toContainEqual(
      expect.objectContaining({ type: 'network', of: 'pod' }),
    );
    expect(facts.cgroup.use.memory.limitBytes).toBe(64 << 20);
    expect(facts.cgroup.limits.cpu).toMatchObject({ quotaUs: 50_000, periodUs: 100_000 });
    expect(facts.mounts).toContainEqual(expect.objectContaining({ destination: '/data' }));
    expect(facts.rootfs).toMatchObject({ filesystem: 'overlay' });
    expect(await readFile(`/proc/${facts.monitor.pid}/cmdline`, 'utf8')).toContain(id);
    expect(facts.processes).toContainEqual(expect.objectContaining({ pid }));
    expect(facts.operations.map((it: { name: string }) => it.name)).toContain('StartContainer');

    const page = await gantry(place, 'inspect', id.slice(0, 12));
    for (const text of [
      'to ',
      'on gantry-t',
      'default/',
      'running',
      busybox,
      'of 64.0 MiB',
      'of 0.5 cores',
      '/data',
    ]) {
      expect(page).toContain(text);
    }
    expect(await gantry(place, 'inspect', name)).toContain(join(place.state, 'sandboxes', pod.id));
  });
});

describe('diff', () => {
  test('tells what was added, changed and deleted', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const { pod } = await namedPod(daemon);
    const id = await runContainer(cri, pod, named(busybox, 'main', forever));
    const script = 'mkdir /new; echo x > /new/f; rm /bin/vi; echo x >> /etc/passwd';
    expect(await exec(cri, id, script)).toMatchObject({ exitCode: 0 });
    const lines = (await gantry(place, 'diff', 'main')).split('\n');
    expect(lines).toEqual(expect.arrayContaining(['A /new', 'A /new/f', 'D /bin/vi']));
    expect(lines).toEqual(expect.arrayContaining(['C /etc/passwd', 'C /bin']));
    expect(lines.filter((line) => line.includes('/home'))).toEqual([]);
  });

  test('tells what went with a directory that was made anew', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const { pod } = await namedPod(daemon);
    const id = await runContainer(cri, pod, named(busybox, 'main', forever));
    const script = 'rm -r /etc && mkdir /etc && echo x > /etc/passwd';
    // What is mounted in it cannot be removed; the rest of it is.
    await exec(cri, id, script);
    const changes = JSON.parse(await gantry(place, 'diff', 'main', '--json'));
    expect(changes).toContainEqual({ kind: 'deleted', path: '/etc/group' });
  });
});

describe('nsenter and debug', () => {
  test('run the node’s tools where a pod is', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const { pod, name } = await namedPod(daemon);
    await runContainer(cri, pod, named(busybox, 'main', forever));
    const inode = async (...args: readonly string[]) =>
      gantry(place, ...args, 'readlink', '/proc/self/ns/net');
    const { network } = await podStatus(cri, pod.id);
    for (const args of [
      ['nsenter', '--net', name],
      ['nsenter', `${name}/main`],
      ['debug', name],
    ]) {
      expect(await inode(...args)).not.toBe(await readlink('/proc/self/ns/net'));
      const addresses = await gantry(place, ...args, 'ip', '-4', '-o', 'address', 'show', 'eth0');
      expect(addresses).toContain(network?.ip);
    }
    expect(await gantry(place, 'nsenter', '-a', 'main', '--', 'cat', '/etc/passwd')).toBe(
      (await exec(cri, await idOf(daemon, 'main'), 'cat /etc/passwd')).stdout.trimEnd(),
    );
    const failing = await gantryOutcome(place, 'nsenter', name, 'sh', '-c', 'exit 7');
    expect(failing).toMatchObject({ exitCode: 7 });
  });

  test('enter a pod whose container has crashed, and a container by its name', async ({
    daemon,
    busybox,
  }) => {
    const { cri, place } = daemon;
    const crashing = await namedPod(daemon);
    const id = await runContainer(cri, crashing.pod, named(busybox, 'app', shell('exit 1')));
    await waitForExit(cri, id);
    const running = await namedPod(daemon);
    for (const name of ['app', 'side']) {
      await runContainer(cri, running.pod, named(busybox, name, forever));
    }
    const address = async (...args: readonly string[]) => {
      const shown = await gantry(place, ...args, 'ip', '-4', '-o', 'address', 'show', 'eth0');
      return /inet ([\d.]+)/.exec(shown)?.[1];
    };
    const [crashed, ran] = [crashing, running].map(async ({ pod }) => podStatus(cri, pod.id));
    expect(await address('nsenter', '--net', crashing.name)).toBe((await crashed)?.network?.ip);
    expect(await address('debug', 'side')).toBe((await ran)?.network?.ip);
    const seen = await gantry(place, 'debug', 'side', 'sh', '-c', 'tr "\\0" " " < /proc/1/cmdline');
    expect(seen.trimEnd()).toBe((forever.command ?? []).join(' '));
    await runContainer(cri, crashing.pod, named(busybox, 'side', forever));
    const { stderr } = await gantryOutcome(place, 'nsenter', 'side', 'true');
    expect(stderr).toContain('"side" may be each of these containers');
  });

  test('brings tools from an image, and leaves nothing', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const { pod, name } = await namedPod(daemon);
    await runContainer(cri, pod, named(busybox, 'main', shell('while :; do sleep 1; done')));
    const script = 'echo x > /made; ps | grep -c "sleep 1"; cat /etc/resolv.conf | wc -l';
    const args = ['debug', '--image', busybox, name, 'sh', '-c', script] as const;
    const [processes, lines] = (await gantry(place, ...args)).split('\n').map(Number);
    expect(processes).toBeGreaterThan(0);
    expect(lines).toBeGreaterThan(0);
    await eventually('the root filesystem is given back', async () => {
      const { stdout } = await execa('ls', [join(place.root, 'containers')]);
      return stdout.split('\n').filter((entry) => entry.startsWith('debug-')).length === 0;
    });
    const outcome = await gantryOutcome(place, 'debug', '--image', 'none:v1', name);
    expect(outcome).toMatchObject({ exitCode: 1 });
    expect(outcome.stderr).toContain('"none:v1" is not on this node');
  });
});

async function idOf({ place }: Daemon, text: string): Promise<string> {
  return JSON.parse(await gantry(place, 'inspect', '--json', text)).container.id;
}

describe('top, stats and events', () => {
  test('tell what the kernel counts', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const { pod, name } = await namedPod(daemon);
    await runContainer(cri, pod, named(busybox, 'busy', { command: sh('while :; do :; done') }));
    await runContainer(cri, pod, named(busybox, 'idle', forever));
    const rows = JSON.parse(await gantry(place, 'top', '--json', '-d', '1', name));
    expect(rows.map((row: { name: string }) => row.name)).toEqual([
      `default/${name}/busy`,
      `default/${name}/idle`,
    ]);
    expect(rows[0].cpuPercent).toBeGreaterThan(10);
    expect(rows[0].cpuPercent).toBeLessThan(110);
    expect(rows[1].cpuPercent).toBeLessThan(10);
    const [sample] = JSON.parse(await gantry(place, 'stats', '--json', `${name}/busy`));
    expect(sample.stats.cpu.usageUs).toBeGreaterThan(100_000);
    expect(sample.stats.pids.current).toBe(1);
    expect(sample.network.receivedBytes).toBeGreaterThanOrEqual(0);
    await cri.stopPodSandbox({ podSandboxId: pod.id });
  });

  test('follow what happens', async ({ daemon, busybox }) => {
    const { cri, place } = daemon;
    const following = startGantry(place, 'events', '-f', '--json');
    const { pod } = await namedPod(daemon);
    const id = await runContainer(cri, pod, named(busybox, 'job', { command: sh('exit 4') }));
    let told = '';
    following.stdout.on('data', (chunk: Buffer) => {
      told += chunk.toString();
    });
    await eventually('the end is told', () => told.includes('"exitCode":4'));
    following.kill();
    await following;
    const kinds = told
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter((event) => event.container?.id === id)
      .map((event) => event.kind);
    expect(kinds).toEqual(['created', 'started', 'stopped']);
    expect(await gantry(place, 'events')).toContain(`\tstopped\t${id.slice(0, 12)}\t`);
  });

  test('draws its table until q', async ({ daemon, busybox }) => {
    const { pod, name } = await namedPod(daemon);
    await runContainer(daemon.cri, pod, named(busybox, 'main', forever));
    const command = `stty rows 24 columns 140; ${launcher} top -d 0.2`;
    const terminal = execa('script', ['-qec', command, '/dev/null'], {
      env: { GANTRY_ADDRESS: daemon.place.adminSocket, TERM: 'xterm' },
    });
    let drawn = '';
    terminal.stdout.on('data', (chunk: Buffer) => {
      drawn += chunk.toString();
    });
    await eventually('it is drawn twice', () => drawn.split('CONTAINER').length > 2);
    expect(drawn).toContain(`default/${name}/main`);
    terminal.stdin.write('q');
    expect(await terminal).toMatchObject({ exitCode: 0 });
  });
});
