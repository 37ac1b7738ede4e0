import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from './config.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(text: string): string {
  const file = join(folder, 'gantry.toml');
  writeFileSync(file, text);
  return file;
}

it('takes flags over the file over the defaults', () => {
  const file = write(
    'root = "/srv/gantry"\nlog_level = "debug"\n[network]\nsubnets = ["10.1.0.0/16"]\n',
  );
  const config = loadConfig(file, { root: '/elsewhere' });
  expect(config).toMatchObject({
    root: '/elsewhere',
    state: '/run/gantry',
    listen: '/run/gantry/gantry.sock',
    log_level: 'debug',
    network: { bridge: 'gantry0', subnets: ['10.1.0.0/16'] },
    runtime: { default_handler: 'crun' },
  });
});

it('listens in the state directory unless told otherwise', () => {
  expect(loadConfig(write(''), { state: '/run/other' })).toMatchObject({
    listen: '/run/other/gantry.sock',
    admin_listen: '/run/other/admin.sock',
  });
  expect(loadConfig(write('admin_listen = "/run/a.sock"'), {}).admin_listen).toBe('/run/a.sock');
});

it.each([
  ['rooot = "/x"', 'unknown key "rooot"'],
  ['[network]\nbrigde = "x"', 'unknown key "network.brigde"'],
  ['root = "relative"', 'root: must be an absolute path'],
  ['root = 5', 'root: must be a string, not 5'],
  ['log_level = "loud"', 'log_level: must be "debug" or "info" or "warn" or "error", not "loud"'],
  ['[network]\nmtu = 10', 'network.mtu: must be 576 or more, not 10'],
  ['[network]\nmtu = 1.5', 'network.mtu: must be a whole number, not 1.5'],
  ['[network]\nmtu = 1e9', 'network.mtu: must be 65535 or less, not 1000000000'],
  ['[image]\nmax_layer_bytes = 0.5', 'image.max_layer_bytes: must be a whole number, not 0.5'],
  ['root = "/g"\nstate = "/g/"', 'root and state must be two folders'],
  ['listen = "/g"\nadmin_listen = "/g"', 'listen and admin_listen must be two sockets'],
  [`state = "/${'x'.repeat(100)}"`, 'gantry.sock" has a path of more than 107 bytes'],
  ['[streaming]\ntls = "yes"', 'streaming.tls: must be true or false, not "yes"'],
  ['[metrics]\nlisten = "127.0.0.1:65536"', 'metrics.listen: must be an address and a port'],
  ['[metrics]\nlisten = "127.0.0.256:1"', 'metrics.listen: must be an address and a port'],
  ['[metrics]\nlisten = "[1::2::3]:1"', 'metrics.listen: must be an address and a port'],
  ['[runtime.handlers.crun]\noptions = []', 'runtime.handlers.crun.path: is missing'],
  ['[image]\nsnapshotter = "zfs"', 'image.snapshotter: '],
  [
    '[runtime]\ndefault_handler = "kata"',
    'gantry.toml": runtime.default_handler: "kata" is none of',
  ],
  ['[network]\nbridge = "a name that is too long"', 'network.bridge: must be an interface name'],
  [
    '[network]\nsubnets = ["10.1.0.0/16", "fd00::1/64"]',
    'network.subnets: use subnet "fd00::1/64": it begins inside of fd00::/64',
  ],
  ['[streaming]\nlisten = "localhost:1"', 'streaming.listen: must be an address and a port'],
  ['[streaming]\nadvertise_address = "a:1"', 'streaming.advertise_address: must be a host name'],
  ['[streaming]\ntls = true\ntls_cert_file = "/c"', 'tls_cert_file and tls_key_file come together'],
  ['[streaming]\ntls_cert_file = "/c"\ntls_key_file = "/k"', 'tls_cert_file needs tls = true'],
  ['root = [', 'read the configuration'],
  [
    'cgroup_parent = "/pods"\n[runtime]\ncgroup_driver = "systemd"',
    'cgroup_parent: cgroup parent "/pods" is no slice',
  ],
  ['[runtime]\ncgroup_driver = "none"', 'runtime.cgroup_driver: '],
  ['[runtime.rlimits]\nnofile = "2:1"', 'runtime.rlimits.nofile: the first limit'],
  ['[runtime.rlimits]\nnofile = -1', 'runtime.rlimits.nofile: must be as "1024:524288"'],
  ['[runtime.rlimits]\nnofile = "many"', 'runtime.rlimits.nofile: must be as "1024:524288"'],
  ['[runtime.rlimits]\nfiles = "1"', 'unknown key "runtime.rlimits.files"'],
  ['[runtime.handlers."../x"]\npath = "crun"', 'must be a name as Kubernetes has them'],
  ['[runtime.handlers.crun]\npath = "crun"\nsnapshotter = "zfs"', 'handlers.crun.snapshotter: '],
  ['[runtime.blockio.slow]\nweight = 5', 'runtime.blockio.slow.weight: '],
])('refuses %j, naming the key', (text, message) => {
  expect(() => loadConfig(write(text), {})).toThrow(message);
});

it('keeps what says nothing of cgroups in the way of the driver', () => {
  expect(loadConfig(write('[runtime]\ncgroup_driver = "cgroupfs"'), {}).cgroup_parent).toBe(
    '/gantry',
  );
  expect(loadConfig(write('[runtime]\ncgroup_driver = "systemd"'), {}).cgroup_parent).toBe(
    '/gantry.slice',
  );
  const one = '[runtime]\ncgroup_driver = "cgroupfs"\n[runtime.handlers.crun]\npath = "crun"\n';
  const config = loadConfig(write(`${one}cgroup_driver = "systemd"`), {});
  expect(config.cgroup_parent).toBe('/gantry.slice');
});

it('gives containers the usual rlimits, and those that are configured', () => {
  const { rlimits } = loadConfig(write('[runtime.rlimits]\nmemlock = "unlimited"'), {}).runtime;
  const usual = { core: 'unlimited', nofile: '1024:524288', nproc: 'unlimited' };
  expect(rlimits).toEqual({ ...usual, memlock: 'unlimited' });
  const { nofile } = loadConfig(write('[runtime.rlimits]\nnofile = 4096'), {}).runtime.rlimits;
  expect(nofile).toBe('4096');
});

it('refuses a file that is not there', () => {
  expect(() => loadConfig(join(folder, 'none.toml'), {})).toThrow('none.toml');
});
