import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, inject, test } from 'vitest';
import { startDaemon } from './harness/daemon.ts';
import { launcher } from './harness/gantry.ts';
import { containerConfig, forever, runContainer, runPod, sh, waitForExit } from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

type Answer = { readonly exitCode?: number | undefined; stdout: string; stderr: string };

const named = (name: string) => ({ metadata: { name, attempt: 0 } });

test('shows what is there while the daemon is down, and what has ended since', async () => {
  await using daemon = await startDaemon();
  const { cri, place } = daemon;
  const run = async (...args: readonly string[]): Promise<Answer> =>
    execa(launcher, ['--config', place.config, ...args], { reject: false });
  const image = inject('busybox');
  await cri.pullImage({ image: { image } });
  const pod = await runPod(daemon);
  await runContainer(cri, pod, containerConfig(image, { ...named('main'), ...forever }));
  const script = `while [ ! -e /go ]; do sleep 0.1; done; exit 5`;
  const ending = containerConfig(image, { ...named('ending'), command: sh(script) });
  const endingId = await runContainer(cri, pod, ending);
  await daemon.kill();

  const listed = await run('ps', '--json');
  expect(listed.stderr).toContain('no gantryd answers');
  expect(listed.stderr).toContain('this is from its records');
  expect(JSON.parse(listed.stdout)).toMatchObject([
    { name: 'main', state: 'running' },
    { name: 'ending', state: 'running' },
  ]);
  // Everything that needs no daemon works.
  const { stdout: facts } = await run('inspect', 'main', '--json');
  const { container, cgroup, processes, rootfs } = JSON.parse(facts);
  expect(processes).toContainEqual(expect.objectContaining({ pid: container.pid }));
  expect(cgroup.use.pids.current).toBeGreaterThan(0);
  expect(rootfs.filesystem).toBe('overlay');
  await writeFile(join(place.directory, 'go'), '');
  expect(await run('cp', join(place.directory, 'go'), 'ending:/go')).toMatchObject({ exitCode: 0 });
  expect((await run('diff', 'main')).stdout).toContain('A /etc/hosts');
  expect((await run('images')).stdout).toContain(image.split(':').slice(0, -1).join(':'));
  expect((await run('stats')).stdout).toContain('\tdefault/');
  expect((await run('nsenter', '--net', 'main', '--', 'ip', 'address')).stdout).toContain('eth0');
  await eventually('the end is seen', async () => {
    const { stdout } = await run('ps', '-a', '--json');
    const ended = JSON.parse(stdout).find(({ id }: { id: string }) => id === endingId);
    return ended.state === 'exited' && ended.exitCode === 5;
  });

  // What does, says so.
  for (const args of [['exec', 'main', 'true'], ['events'], ['trace']]) {
    const { exitCode, stderr } = await run(...args);
    expect(exitCode, args[0]).toBe(3);
    expect(stderr).toContain(place.adminSocket);
  }
  const { exitCode, stdout } = await run('doctor', '--json');
  expect(exitCode).toBe(1);
  const problems = JSON.parse(stdout).filter(
    ({ status }: { status: string }) => status === 'problem',
  );
  expect(problems).toMatchObject([{ check: 'gantryd', mend: expect.any(String) }]);

  await daemon.start();
  // The daemon comes to the same.
  expect(await waitForExit(cri, endingId)).toMatchObject({ exitCode: 5 });
});

test('knows no folders of a daemon of which only the socket is named', async () => {
  const { exitCode, stderr } = await execa(launcher, ['ps', '--address', '/none.sock'], {
    reject: false,
  });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 3,
    stderr: expect.stringContaining('no gantryd answers at "/none.sock"'),
  });
});
