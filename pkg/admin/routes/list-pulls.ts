import { once } from 'node:events';
import type { AdminDeps } from '#admin/deps.ts';
import { type Exchange, sendJson } from '#admin/exchange.ts';
import { jsonLines } from '#admin/json-lines.ts';
import { ticking } from '#admin/ticks.ts';

/** The pulls and imports that run or ended just now; with `follow=true`, again at each change. */
export async function listPulls(
  { images }: AdminDeps,
  { query, response, signal }: Exchange,
): Promise<void> {
  if (query.get('follow') !== 'true') return sendJson(response, 200, { pulls: images.pulls() });
  const lines = jsonLines(response);
  let told = '';
  const tell = (): void => {
    const pulls = images.pulls();
    const now = JSON.stringify(pulls);
    if (now !== told) lines.tell({ pulls });
    told = now;
  };
  tell();
  using _ticking = ticking(tell);
  if (!signal.aborted) await once(signal, 'abort');
  response.end();
}
