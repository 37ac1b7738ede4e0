import { LogReader } from '#logs/log-reader.ts';
import { mergeLogs } from '#logs/merge.ts';
import { type Command, ExitError } from './command.ts';
import { logPrinter, printBeginnings } from './logs-print.ts';
import { parseRange } from './logs-range.ts';
import { findLogs, type Logged } from './logs-source.ts';

export const logs: Command = {
  synopsis: '[-f] [-p] [-t] [--since TIME] [--tail N] POD|CONTAINER',
  details: `Reads the files themselves, also the rotated ones, and so needs no daemon. The logs of all containers
of a pod come in the order of time, each line with its container's name.

Flags:
  -f, --follow         go on, through rotations, until the containers have ended
  -p, --previous       of the attempt before the latest one
  -t, --timestamps     begin lines with their times
      --since TIME     not from before: 10m, 2h30m, 3d or 2026-01-02T15:04:05Z
      --tail N         only so many last lines of each container

Examples:
  gantry logs --since 10m default/web
  gantry logs -f --tail 20 web/nginx
`,
  flags: {
    follow: { type: 'boolean', short: 'f' },
    previous: { type: 'boolean', short: 'p' },
    timestamps: { type: 'boolean', short: 't' },
    since: { type: 'string' },
    tail: { type: 'string' },
  },
  operands: { min: 1, max: 1 },
  run: async ({ node, operands: [wanted = ''], options, isJson }) => {
    const range = parseRange(options, Date.now());
    const source = { wanted, isPrevious: options['previous'] === true };
    const found = findLogs(await node.pods(), source);
    using opened = new DisposableStack();
    const readers = new Map(found.map((log) => [log, opened.use(new LogReader(log.path))]));
    const print = logPrinter(found, { isJson, hasTimes: options['timestamps'] === true });
    const histories = [...readers].map(([log, reader]) => [log, reader.history(range)] as const);
    let isEmpty = true;
    for await (const batch of mergeLogs(histories)) {
      isEmpty = false;
      if (!(await print(batch))) return;
    }
    if (options['follow'] === true) {
      const { followLogs } = await import('./logs-follow.ts');
      return await followLogs({ node, source, print, readers, opened });
    }
    await printBeginnings(print, readers);
    if (isEmpty) explainEmptiness(found, readers);
  },
};

/** That nothing was written is one thing, that the log is gone another. */
function explainEmptiness(found: readonly Logged[], readers: ReadonlyMap<Logged, LogReader>): void {
  const missing = found.find((log) => readers.get(log)?.isMissing && log.container.startedAt);
  if (missing === undefined || found.length > 1) return;
  throw new ExitError('failed', `the log "${missing.path}" is not there`);
}
