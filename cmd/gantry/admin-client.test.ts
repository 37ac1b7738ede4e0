import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished, vi } from 'vitest';
import { adminClient } from './admin-client.ts';

it('has its answer from a daemon that does not take all that we send', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-admin-client-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const address = join(folder, 'admin.sock');
  const server = createServer((_request, response) => response.end('enough'));
  onTestFinished(() => void server.close());
  await once(server.listen(address), 'listening');
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(65_536);
    })(),
  );
  const request = { method: 'POST', path: '/', stream: endless } as const;
  expect(await text(await adminClient(address).open(request))).toBe('enough');
  server.closeAllConnections();
  // An error that nobody heeds would end gantry, and this test.
  await vi.waitFor(() => expect(endless.readableFlowing).toBe(false));
});
