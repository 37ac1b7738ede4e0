import type { EventView } from '#admin/event-json.ts';
import type { Command } from './command.ts';
import { endWithReader, printJson } from './output.ts';
import { isTerminal, type Style } from './style.ts';
import { type Cell, formatTable } from './table.ts';

export const events: Command = {
  synopsis: '[-f]',
  details: `What happened to pods and containers in the last five minutes, the latest last, and with --follow what
happens from now on. With --json, one object a line when following.

Flags:
  -f, --follow         go on until Ctrl-C
`,
  flags: { follow: { type: 'boolean', short: 'f' } },
  operands: { min: 0, max: 0 },
  run: async ({ admin, options, isJson }) => {
    const request = { method: 'GET', path: '/v1/events' } as const;
    if (options['follow'] !== true) {
      const answer = await admin.ask<{ readonly events: readonly EventView[] }>(request);
      if (isJson) printJson(answer.events);
      else answer.events.forEach(print);
      return;
    }
    endWithReader();
    const following = { ...request, query: { follow: 'true' } };
    for await (const event of admin.lines<EventView>(following)) {
      if (isJson) process.stdout.write(`${JSON.stringify(event)}\n`);
      else print(event);
    }
  },
};

const styles = {
  created: 'dim',
  started: 'green',
  stopped: 'yellow',
  deleted: 'dim',
} as const satisfies Record<EventView['kind'], Style>;

function print(event: EventView): void {
  const { at, kind, pod, container } = event;
  const cells: Cell[] = [
    at,
    objectCell(container === undefined ? 'pod' : 'container'),
    { text: kind, style: styles[kind] },
    (container ?? pod)?.id.slice(0, 12) ?? '-',
    [podName(event), container?.name].filter((name) => name !== undefined).join('/'),
    ...endingCells(container),
  ];
  process.stdout.write(formatTable([cells], { hasHeading: false }));
}

/** Each line is written for itself, and is to stand below the one before. */
function objectCell(object: string): string {
  return isTerminal() ? object.padEnd('container'.length) : object;
}

/** Absent when its record was lost. */
function podName({ pod }: EventView): string {
  return pod === undefined ? '?' : `${pod.namespace}/${pod.name}`;
}

function endingCells({ exitCode, reason = '' }: Partial<NonNullable<EventView['container']>> = {}) {
  if (exitCode === undefined) return [];
  const style: Style = exitCode === 0 ? 'dim' : 'red';
  return [{ text: `${exitCode} ${reason}`.trim(), style }];
}
