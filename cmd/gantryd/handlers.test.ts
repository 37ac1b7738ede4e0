import { expect, it } from 'vitest';
import { createLog } from '#log/log.ts';
import * as v from 'valibot';
import { isSystemdNode, runtimeSchema } from './config-runtime.ts';
import { openHandlers } from './handlers.ts';

const log = createLog('error');
const state = '/run/gantry';

function open(runtime: object) {
  return openHandlers({ runtime: v.parse(runtimeSchema, runtime), state }, log);
}

it('opens what is configured, with the options and the cgroup driver of each', async () => {
  const handlers = await open({
    cgroup_driver: 'cgroupfs',
    default_handler: 'own',
    handlers: { own: { path: '/usr/bin/crun', options: ['--debug'] }, runc: { path: 'runc' } },
  });
  expect([...handlers.keys()].toSorted()).toEqual(['', 'own', 'runc']);
  expect(handlers.get('')).toBe(handlers.get('own'));
  expect(handlers.get('own')).toMatchObject({
    name: 'own',
    path: '/usr/bin/crun',
    kind: 'crun',
    root: '/run/gantry/oci/own',
    options: ['--debug'],
    cgroupDriver: 'cgroupfs',
  });
});

it('leaves out a handler whose program is missing, but not the default one', async () => {
  const handlers = { crun: { path: 'crun' }, kata: { path: '/nowhere/kata' } };
  expect([...(await open({ handlers })).keys()]).toEqual(['crun', '']);
  await expect(open({ handlers, default_handler: 'kata' })).rejects.toThrow(
    'runtime.default_handler: the program of "kata" is not on this node',
  );
});

it.runIf(!isSystemdNode())('refuses to use systemd on a node that it does not run', async () => {
  const handlers = { crun: { path: 'crun', cgroup_driver: 'systemd' } };
  await expect(open({ cgroup_driver: 'cgroupfs', handlers })).rejects.toThrow(
    '"systemd" is for nodes that systemd runs',
  );
});
