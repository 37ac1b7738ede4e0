import type { Command } from './command.ts';

export type Entry = {
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Each command is loaded only when it is called: `gantry ps` shall not wait for the others. */
  readonly load: () => Promise<Command>;
};

/** All commands by name, one word or two, under the headings of the help. */
export const commandGroups: Readonly<Record<string, Readonly<Record<string, Entry>>>> = {
  'Pods and containers': {
    ps: {
      summary: 'list containers',
      load: async () => (await import('./ps.ts')).ps,
    },
    pods: {
      summary: 'list pods',
      load: async () => (await import('./pods.ts')).pods,
    },
    inspect: {
      summary: 'one page on a container or a pod',
      load: async () => (await import('./inspect.ts')).inspect,
    },
    exec: {
      summary: 'run a command in a container',
      load: async () => (await import('./exec.ts')).exec,
    },
    logs: {
      summary: 'what containers have written',
      load: async () => (await import('./logs.ts')).logs,
    },
    diff: {
      summary: 'what a container has changed in its files',
      load: async () => (await import('./diff.ts')).diff,
    },
    cp: {
      summary: 'copy files from and to containers',
      load: async () => (await import('./cp.ts')).cp,
    },
    nsenter: {
      summary: 'run a command of the node in the namespaces of a container or a pod',
      load: async () => (await import('./nsenter.ts')).nsenter,
    },
    debug: {
      summary: 'a shell with tools in a pod',
      load: async () => (await import('./debug.ts')).debug,
    },
  },
  'Finding out': {
    top: {
      summary: 'a live table of what containers use',
      load: async () => (await import('./top.ts')).top,
    },
    stats: {
      summary: 'what containers have used so far',
      load: async () => (await import('./stats.ts')).stats,
    },
    events: {
      summary: 'what happens to pods and containers',
      load: async () => (await import('./events.ts')).events,
    },
    doctor: {
      summary: 'check this node: what is wrong, and what mends it',
      load: async () => (await import('./doctor.ts')).doctor,
    },
    net: {
      summary: 'the network of pods: interfaces, addresses, routes, ports, counters',
      load: async () => (await import('./net.ts')).net,
    },
    'net check': {
      summary: 'what of the network is left of pods that are gone; --fix removes it',
      load: async () => (await import('./net-check.ts')).netCheck,
    },
    'net down': {
      summary: 'take the built-in network away, when no pod is on it',
      load: async () => (await import('./net-down.ts')).netDown,
    },
    trace: {
      summary: 'what goes on, what was slow, what came last, stage by stage',
      load: async () => (await import('./trace.ts')).trace,
    },
  },
  Shell: {
    completion: {
      summary: 'what a shell needs to complete commands and names',
      load: async () => (await import('./completion.ts')).completion,
    },
  },
  Images: {
    images: {
      summary: 'the same as images ls',
      load: async () => (await import('./images-ls.ts')).imagesLs,
    },
    'images ls': {
      summary: 'list the images of this node',
      load: async () => (await import('./images-ls.ts')).imagesLs,
    },
    'images pull': {
      summary: 'bring an image from its registry',
      load: async () => (await import('./images-pull.ts')).imagesPull,
    },
    'images import': {
      summary: 'enter the images of an archive',
      load: async () => (await import('./images-import.ts')).imagesImport,
    },
    'images export': {
      summary: 'write images to an archive',
      load: async () => (await import('./images-export.ts')).imagesExport,
    },
    'images tag': {
      summary: 'give an image one more name',
      load: async () => (await import('./images-tag.ts')).imagesTag,
    },
    'images rm': {
      summary: 'remove images with all of their names',
      load: async () => (await import('./images-rm.ts')).imagesRm,
    },
  },
};

/** What is not for people. */
const hidden: Readonly<Record<string, Entry>> = {
  __complete: {
    summary: 'candidates for the completion of a shell',
    load: async () => (await import('./complete.ts')).complete,
  },
};

/** All commands by name. */
export const commands: ReadonlyMap<string, Entry> = new Map(
  [...Object.values(commandGroups), hidden].flatMap((group) => Object.entries(group)),
);
