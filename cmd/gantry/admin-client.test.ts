import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished, vi } from 'vitest';
import { adminClient } from './admin-client.ts';

async function serve(listener: RequestListener) {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-admin-client-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const address = join(folder, 'admin.sock');
  const server = createServer(listener);
  onTestFinished(() => {
    server.close().closeAllConnections();
  });
  await once(server.listen(address), 'listening');
  return { address, server };
}

it('has its answer from a daemon that does not take all that we send', async () => {
  const { address, server } = await serve((_request, response) => response.end('enough'));
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

it.for(['open', 'ask', 'lines'] as const)(
  'waits for no daemon that is stuck, whatever is asked of it (%s)',
  async (how) => {
    const { address } = await serve(() => {});
    const admin = adminClient(address, 100);
    const request = { method: 'POST', path: '/v1/images/pull' } as const;
    const asking = how === 'lines' ? admin.lines(request).next() : admin[how](request);
    await expect(asking).rejects.toThrow(/^gantryd has not answered at ".*" for 0.1 s$/);
  },
);
