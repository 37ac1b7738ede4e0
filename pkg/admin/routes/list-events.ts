import { once } from 'node:events';
import type { AdminDeps } from '#admin/deps.ts';
import { eventView } from '#admin/event-json.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';
import { jsonLines } from '#admin/json-lines.ts';

/** What happened in the last minutes; with `follow=true`, a line for each of that and of what follows. */
export async function listEvents(
  { engine }: AdminDeps,
  { query, response, signal }: Exchange,
): Promise<void> {
  if (query.get('follow') !== 'true') {
    return sendJson(response, 200, { events: engine.events.recent().map(eventView) });
  }
  const lines = jsonLines(response);
  lines.begin();
  const stop = new AbortController();
  signal.addEventListener('abort', () => stop.abort());
  for await (const event of engine.events.follow(stop, { after: 0 })) {
    lines.tell(eventView(event));
    // Who is slow is waited for, and cut off by the log of events when too much has come together.
    if (response.writableNeedDrain) await once(response, 'drain', { signal }).catch(() => {});
  }
  response.end();
}
