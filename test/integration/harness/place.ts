import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What one daemon has for itself on this machine, so that several run side by side. */
export type Place = AsyncDisposable & {
  /** A fresh temporary folder; everything of the daemon is in it. */
  readonly directory: string;
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  readonly adminSocket: string;
  readonly config: string;
  readonly crictlConfig: string;
  readonly log: string;
  readonly bridge: string;
  readonly subnet: string;
  readonly cgroupParent: string;
  /** Where its CNI networks are configured; made by who wants one. */
  readonly cniConfDir: string;
  /** Where its CNI plugins are looked for before Debian's; made by who wants one. */
  readonly cniPlugins: string;
  /** The name of the network namespace that it takes for the node's, if that is another one. */
  readonly netns?: string;
};

/** What a test wants to be different from the usual configuration. */
export type PlaceOptions = {
  /** The folder to use instead of a fresh one; it must exist. It is left there. */
  readonly directory?: string;
  /** Of the subnet; 24 when missing. */
  readonly prefixLength?: number;
  /** Of IPv6, for pods with addresses of both families. */
  readonly subnet6?: string;
  /** Lines of the table `[network]`, and of `[network.cni]`. */
  readonly networkConfig?: string;
  readonly cniConfig?: string;
  /** Lines at the end of the configuration file. */
  readonly extraConfig?: string;
  /** Of ip-netns(8), for daemons whose plugins change the firewall of the node. */
  readonly netns?: string;
};

/** Claims a place and writes its configuration file. Disposing of it removes the folder. */
export async function claimPlace(options: PlaceOptions = {}): Promise<Place> {
  const { number, lock } = await claimNumber();
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'gantry-test-')));
  // As /run is: the root of a pod's user namespace has to get through.
  await chmod(directory, 0o711);
  const place = {
    directory,
    root: join(directory, 'root'),
    state: join(directory, 'state'),
    socket: join(directory, 'state', 'gantry.sock'),
    adminSocket: join(directory, 'state', 'admin.sock'),
    config: join(directory, 'gantry.toml'),
    crictlConfig: join(directory, 'crictl.yaml'),
    log: join(directory, 'gantryd.log'),
    bridge: bridgeName(number),
    subnet: `10.213.${number}.0/${options.prefixLength ?? 24}`,
    cgroupParent: cgroupParent(number),
    cniConfDir: join(directory, 'net.d'),
    cniPlugins: join(directory, 'plugins'),
    ...(options.netns === undefined ? {} : { netns: options.netns }),
    [Symbol.asyncDispose]: async () => {
      if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
      lock.close();
    },
  };
  const tables = configuration(place, options);
  await writeFile(place.config, tables + withCgroupDriver(options.extraConfig ?? ''));
  await writeFile(place.crictlConfig, `runtime-endpoint: unix://${place.socket}\n`);
  return place;
}

/** Whatever the node would choose; `GANTRY_TEST_CGROUP_DRIVER` runs the same tests with the other one. */
const cgroupDriver = process.env['GANTRY_TEST_CGROUP_DRIVER'] ?? 'cgroupfs';

const cgroupParent = (number: number) =>
  `/gantry_test_${number}${cgroupDriver === 'systemd' ? '.slice' : ''}`;

/** The lines of `extra` with the cgroup driver among those of its table `[runtime]`. */
function withCgroupDriver(extra: string): string {
  const table = '[runtime]\n';
  const rest = extra.includes(table) ? extra : `${extra}${table}`;
  return rest.replace(table, `${table}cgroup_driver = "${cgroupDriver}"\n`);
}

const configuration = (
  place: Omit<Place, keyof AsyncDisposable>,
  { networkConfig = '', cniConfig = '', subnet6 }: PlaceOptions,
) => `root = "${place.root}"
state = "${place.state}"
listen = "${place.socket}"
log_level = "debug"
cgroup_parent = "${place.cgroupParent}"
[network]
bridge = "${place.bridge}"
subnets = ${JSON.stringify([place.subnet, subnet6].filter(Boolean))}
${networkConfig}
[network.cni]
conf_dir = "${place.cniConfDir}"
bin_dirs = ["${place.cniPlugins}", "/usr/lib/cni"]
${cniConfig}
`;

const bridgeName = (number: number) => `gantry-t${number}`;

/** A number that no other place on this machine has, for as long as the lock is open. */
async function claimNumber(): Promise<{ number: number; lock: Server }> {
  for (let number = 0; number < 256; number++) {
    // An abstract socket (unix(7)) is a lock that the kernel releases when its holder dies.
    const lock = createServer().listen(`\0gantry-test-${number}`);
    const isClaimed = await once(lock, 'listening').then(
      () => true,
      () => false,
    );
    // A bridge without a holder was left by a run that was killed; it may still have pods on it.
    if (isClaimed && !existsSync(join('/sys/class/net', bridgeName(number)))) {
      lock.unref();
      return { number, lock };
    }
    if (isClaimed) lock.close();
  }
  throw new Error('no place for one more daemon');
}
