const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A number of bytes for people: `12.3 MiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(Math.round(bytesPerSecond))}/s`;
}

/** The same; a dash for what is not known. */
export function bytesCell(bytes: number | undefined): string {
  return orDash(bytes, formatBytes);
}

/** A value in its form; a dash for what is not known. */
export function orDash<Value>(value: Value | undefined, format: (value: Value) => string): string {
  return value === undefined ? '-' : format(value);
}
