import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Daemon, startDaemon } from './harness/daemon.ts';
import {
  containerConfig,
  createContainer,
  exec,
  forever,
  runContainer,
  runPod,
} from './harness/pods.ts';
import { eventually } from './harness/wait.ts';

let folder = '';
let daemon: Daemon;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-cdi-'));
  await writeFile(join(folder, 'hook.sh'), `#!/bin/sh\ncat > ${folder}/hook-ran\n`);
  await chmod(join(folder, 'hook.sh'), 0o755);
  await writeFile(join(folder, 'vendor.json'), JSON.stringify(vendor()));
  daemon = await startDaemon({ extraConfig: `[runtime]\ncdi_spec_dirs = ["${folder}"]\n` });
  await daemon.cri.pullImage({ image: { image: inject('busybox') } });
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await daemon[Symbol.asyncDispose]();
});

/** A device that is the node's /dev/full under another name, with all that CDI has for it. */
function vendor(): object {
  return {
    cdiVersion: '0.6.0',
    kind: 'vendor.com/sink',
    containerEdits: { env: ['SINKS=1'] },
    devices: [
      {
        name: 'full',
        containerEdits: {
          deviceNodes: [{ path: '/dev/sink', hostPath: '/dev/full', permissions: 'rw' }],
          mounts: [{ hostPath: folder, containerPath: '/vendor', options: ['ro'] }],
          hooks: [{ hookName: 'poststart', path: join(folder, 'hook.sh') }],
          additionalGids: [4242],
        },
      },
    ],
  };
}

describe('a CDI device', () => {
  test('brings its nodes, mounts, environment, groups and hooks', async () => {
    const pod = await runPod(daemon);
    const config = containerConfig(inject('busybox'), {
      ...forever,
      CDIDevices: [{ name: 'vendor.com/sink=full' }],
    });
    const id = await runContainer(daemon.cri, pod, config);
    const script = 'echo x > /dev/sink; ls /vendor; touch /vendor/x; echo $SINKS; id -G';
    const { stdout, stderr } = await exec(daemon.cri, id, script);
    expect(stderr).toMatch(/No space left on device/);
    expect(stderr).toMatch(/Read-only file system/);
    expect(stdout).toMatch(/vendor.json\n1\n.*\b4242\b/);
    const state = await eventually('the poststart hook has run', async () => {
      const text = await readFile(join(folder, 'hook-ran'), 'utf8').catch(() => '');
      return text === '' ? undefined : text;
    });
    expect(JSON.parse(state)).toMatchObject({ id });
  });

  test('that nobody describes is refused by name', async () => {
    const pod = await runPod(daemon);
    const config = containerConfig(inject('busybox'), {
      ...forever,
      CDIDevices: [{ name: 'vendor.com/sink=none' }],
    });
    await expect(createContainer(daemon.cri, pod, config)).rejects.toMatchObject({
      details: expect.stringContaining('"vendor.com/sink=none" is not described'),
    });
  });
});
