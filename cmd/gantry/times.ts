const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** How long ago an RFC 3339 time was: `5s`, `3m10s`, `2h5m`, `4d3h`. */
export function ago(time: string, nowMs: number): string {
  return formatDuration(Math.max(0, nowMs - Date.parse(time)));
}

/** A duration for people, in its two largest units. */
export function formatDuration(ms: number): string {
  if (ms < minute) return `${Math.floor(ms / second)}s`;
  if (ms < hour) return pair(ms, [minute, 'm'], [second, 's']);
  if (ms < day) return pair(ms, [hour, 'h'], [minute, 'm']);
  return pair(ms, [day, 'd'], [hour, 'h']);
}

type Unit = readonly [ms: number, name: string];

function pair(ms: number, [large, largeName]: Unit, [small, smallName]: Unit): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)}${largeName}${rest === 0 ? '' : `${rest}${smallName}`}`;
}
