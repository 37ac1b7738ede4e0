import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectPackets, openThreadPipe, readFrom, unreadBytes, writeTo } from './descriptor-io.ts';
import { bind, close, socket } from './libc.ts';
import { Poller, POLLIN, POLLOUT } from './poller.ts';

const POLLERR = 0x08;
const POLLHUP = 0x10;

/** The events that a descriptor has now. */
function eventsOf(fd: number, wanted: number): number {
  const poller = new Poller();
  let found = 0;
  poller.watch(fd, wanted, (events) => {
    found = events;
  });
  poller.turn(0);
  return found;
}

test('a pipe of a thread passes on what there is, and its end', async () => {
  const { stream, fd } = openThreadPipe('in');
  const buffer = Buffer.alloc(16);
  expect(readFrom(fd, buffer)).toBeUndefined();
  expect(eventsOf(fd, POLLIN)).toBe(0);
  stream.write('hello');
  const poller = new Poller();
  let seen = 0;
  poller.watch(fd, POLLIN, (events) => {
    seen = events;
  });
  poller.turn(-1);
  expect(seen).toBe(POLLIN);
  expect(unreadBytes(fd)).toBe(5);
  expect(readFrom(fd, buffer)).toBe(5);
  expect(buffer.toString('utf8', 0, 5)).toBe('hello');
  stream.end();
  await once(stream, 'close');
  expect(eventsOf(fd, POLLIN)).toBe(POLLHUP);
  expect(readFrom(fd, buffer)).toBe(0);
  close(fd);
});

test('a full pipe takes nothing, and one that nobody reads says so', async () => {
  const { stream, fd } = openThreadPipe('out');
  const block = Buffer.alloc(8192);
  let written = 0;
  for (let count = 1; count > 0; written += count) count = writeTo(fd, block) ?? -1;
  expect(written).toBe(64 * 1024);
  expect(eventsOf(fd, POLLOUT)).toBe(0);
  stream.destroy();
  await once(stream, 'close');
  expect(eventsOf(fd, 0)).toBe(POLLERR);
  expect(writeTo(fd, block)).toBeUndefined();
  close(fd);
});

test('a poller waits for many at a time, and forgets them with each turn', () => {
  const pipes = Array.from({ length: 100 }, () => openThreadPipe('out'));
  onTestFinished(() => {
    for (const { stream, fd } of pipes) {
      stream.destroy();
      close(fd);
    }
  });
  const poller = new Poller();
  const found: number[] = [];
  for (const { fd } of pipes) poller.watch(fd, POLLOUT, () => found.push(fd));
  poller.turn(-1);
  expect(found).toEqual(pipes.map(({ fd }) => fd));
  poller.turn(0);
  expect(found.length).toBe(100);
});

test('sockets for packets are found behind long paths; errors name them', () => {
  const folder = mkdtempSync(join(tmpdir(), `gantry-${'x'.repeat(120)}-`));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  expect(() => connectPackets(folder, 'attach')).toThrow(`connect(${folder}/attach): ENOENT`);
  // Bound, but nobody listens.
  const fd = socket(1, 5, 0);
  onTestFinished(() => void close(fd));
  const cwd = process.cwd();
  process.chdir(folder);
  bind(fd, Buffer.from('\u0001\0attach\0', 'latin1'), 9);
  process.chdir(cwd);
  expect(() => connectPackets(folder, 'attach')).toThrow('ECONNREFUSED');
});
