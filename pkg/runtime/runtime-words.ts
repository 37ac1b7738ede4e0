/** A line as runc logs it: `time="…" level=error msg="…"`, and perhaps more fields. */
const logLine = /^time="[^"]*" level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S*)(.*)$/;

/**
 * What an OCI runtime has said, for an error. The time of a line goes: with it, no two failures of a
 * container would read the same, and kubelet would count each as another event.
 */
export function runtimeWords(said: string): string {
  return said.trim().split('\n').map(wordsOf).join('\n');
}

function wordsOf(line: string): string {
  const [, level = '', message = '', fields = ''] = logLine.exec(line) ?? [];
  if (level === '') return line;
  return `${level === 'error' ? '' : `${level}: `}${unquoted(message)}${fields}`;
}

/** Go quotes as JSON does, but for what cannot be printed. */
function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
