import type { ServerResponse } from 'node:http';

const contentType = 'application/x-ndjson';

/** An answer that goes on: one JSON object a line. */
export type JsonLines = {
  /** Lets the reader know that there will be lines, before there are any. */
  begin(): void;
  /** For news that the next ones replace: left out while the reader has not read what there is. */
  tell(value: object): void;
  end(value: object): void;
};

/** The answer begins with its first line; before that, it can still become another one. */
export function jsonLines(response: ServerResponse): JsonLines {
  const begin = (): void => {
    if (!response.headersSent) response.setHeader('content-type', contentType);
  };
  return {
    begin: () => {
      begin();
      response.flushHeaders();
    },
    tell: (value) => {
      begin();
      if (!response.writableNeedDrain) response.write(lineOf(value));
    },
    end: (value) => {
      begin();
      response.end(lineOf(value));
    },
  };
}

/** Whether an answer that has begun consists of lines, of which an error can be the last. */
export function hasLines(response: ServerResponse): boolean {
  return response.headersSent && response.getHeader('content-type') === contentType;
}

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
