/** A page in Prometheus' text format: the value of each series, by the name of the metric and its labels. */
export type Page = ReadonlyMap<string, ReadonlyMap<string, number>>;

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

export function parsePage(text: string): Page {
  const page = new Map<string, Map<string, number>>();
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const [, name = '', labels = '', value = ''] = sampleLine.exec(line) ?? [];
    const series = page.get(name) ?? new Map<string, number>();
    page.set(name, series.set(canonical(labels), Number(value)));
  }
  return page;
}

/** The value of the series with these very labels. */
export function sampleOf(
  page: Page,
  name: string,
  labels: Readonly<Record<string, string>>,
): number | undefined {
  const text = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  return page.get(name)?.get(canonical(text.join(',')));
}

function canonical(labels: string): string {
  return [...labels.matchAll(label)]
    .map(([text]) => text)
    .toSorted()
    .join(',');
}

type Comment = { readonly kind: string; readonly name: string; readonly text: string };
type Sample = { readonly name: string; readonly series: string; readonly value: string };
type Family = { readonly type: string; readonly samples: readonly Sample[] };

/**
 * What promtool would complain of (prometheus.io/docs/practices/naming, and the text format): metrics
 * without help or type, series that are there twice, counters without `_total`, units that are not the
 * base units, numbers that are none.
 */
export function lintPage(text: string): string[] {
  const lines = text.split('\n');
  const comments = lines.flatMap(commentIn);
  const samples = lines.flatMap(sampleIn);
  const types = comments.filter(({ kind }) => kind === 'TYPE');
  const helps = comments.filter(({ kind, text: words }) => kind === 'HELP' && words.trim() !== '');
  const unreadable = lines.filter(
    (line) => line !== '' && [commentIn(line), sampleIn(line)].flat().length === 0,
  );
  const nameless = samples.filter(({ name }) => !types.some((type) => belongs(name, type)));
  const noNumbers = samples.filter(({ value }) =>
    Number.isNaN(Number(value.replace('Inf', 'Infinity'))),
  );
  return [
    ...(lines.at(-1) === '' ? [] : ['the last line does not end']),
    ...unreadable.map((line) => `cannot be read: ${line}`),
    ...twice(types.map(({ name }) => name)).map((name) => `${name} has its type twice`),
    ...twice(helps.map(({ name }) => name)).map((name) => `${name} has help twice`),
    ...twice(samples.map(({ series }) => series)).map((series) => `${series} is there twice`),
    ...nameless.map(({ name }) => `${name} has no type`),
    ...noNumbers.map(({ series }) => `${series} has no number`),
    ...types
      .filter(({ name }) => !helps.some((help) => help.name === name))
      .map(({ name }) => `${name} has no help`),
    ...types.flatMap(({ name, text: type }) =>
      lintFamily(name, { type, samples: samples.filter((each) => each.name.startsWith(name)) }),
    ),
  ];
}

function commentIn(line: string): Comment[] {
  const [, kind, name, text = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
  return kind === undefined || name === undefined ? [] : [{ kind, name, text }];
}

function sampleIn(line: string): Sample[] {
  const [, name, labels = '', value = ''] = sampleLine.exec(line) ?? [];
  return name === undefined ? [] : [{ name, series: `${name}{${canonical(labels)}}`, value }];
}

function belongs(sample: string, { name, text: type }: Comment): boolean {
  const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  return suffixes.some((suffix) => sample === name + suffix);
}

function twice(items: readonly string[]): string[] {
  return items.filter((item, index) => items.indexOf(item) !== index);
}

const notBaseUnits =
  /_(milliseconds|microseconds|nanoseconds|ms|minutes|hours|kilobytes|kib|mib|megabytes|percent)(_|$)/;

const familyRules: Readonly<Record<string, (name: string, family: Family) => boolean>> = {
  'is not named as our metrics are': (name) => !/^(gantry|process)_[a-z0-9_]+$/.test(name),
  'is a counter without _total': (name, { type }) => type === 'counter' && !name.endsWith('_total'),
  'has _total and is no counter': (name, { type }) => type !== 'counter' && name.endsWith('_total'),
  'has a type that we do not use': (_name, { type }) =>
    !['counter', 'gauge', 'histogram'].includes(type),
  'is not in base units': (name) => notBaseUnits.test(name),
  'is a histogram without a unit': (name, { type }) =>
    type === 'histogram' && !/_(seconds|bytes)$/.test(name),
  'has the suffix of a part of a histogram': (name) => /_(count|sum|bucket)$/.test(name),
  'is a counter that went down': (_name, { type, samples }) =>
    type === 'counter' && samples.some(({ value }) => Number(value) < 0),
};

function lintFamily(name: string, family: Family): string[] {
  return Object.entries(familyRules)
    .filter(([, isBroken]) => isBroken(name, family))
    .map(([complaint]) => `${name} ${complaint}`);
}
