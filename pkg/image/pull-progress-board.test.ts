import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Fault } from '#errors/fault.ts';
import type { Image } from './image.ts';
import type { StackedLayer } from './layers.ts';
import { PullProgressBoard } from './pull-progress-board.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const subject = { kind: 'pull', reference: 'docker.io/library/a:latest' } as const;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only its id is looked at
const image = { id: 'sha256:1' } as Image;

function layer(digest: string, size: number): StackedLayer {
  return { blob: { mediaType: '', digest, size }, diffId: '', chainId: `chain of ${digest}` };
}

/** A board, and the places at which it looks. */
function openBoard() {
  const content = new Set<string>();
  const snapshots = new Set<string>();
  const received = new Map<string, number>();
  const downloads = { receivedBytes: (digest: string) => received.get(digest) };
  return {
    board: new PullProgressBoard({ content, snapshots, downloads }),
    content,
    snapshots,
    received,
  };
}

/** Watches a pull of these layers, which goes on until it is told to end. */
function startPull(board: PullProgressBoard, layers: readonly StackedLayer[]) {
  const end = Promise.withResolvers<Image>();
  const watched = board.watch(subject, async (planned) => {
    planned(layers);
    return end.promise;
  });
  return { end, watched };
}

it('tells the stage of each layer', async () => {
  const { board, content, snapshots, received } = openBoard();
  content.add('there');
  snapshots.add('chain of there');
  const digests = ['there', 'quick', 'packed', 'coming', 'later'];
  const { end, watched } = startPull(
    board,
    digests.map((digest) => layer(digest, 10)),
  );
  for (const digest of ['quick', 'packed']) content.add(digest);
  snapshots.add('chain of quick');
  received.set('coming', 4).set('later', 0);
  expect(board.list()).toMatchObject([
    {
      ...subject,
      outcome: { kind: 'running' },
      layers: [
        { digest: 'there', stage: 'exists', bytes: 10, totalBytes: 10 },
        { digest: 'quick', stage: 'done', bytes: 10 },
        { digest: 'packed', stage: 'unpacking', bytes: 10 },
        { digest: 'coming', stage: 'downloading', bytes: 4 },
        { digest: 'later', stage: 'waiting', bytes: 0 },
      ],
    },
  ]);
  end.resolve(image);
  await watched;
});

it('takes the rate of a download over the last seconds', async () => {
  const { board, received } = openBoard();
  const { end, watched } = startPull(board, [layer('a', 10_000_000)]);
  const rate = () => board.list()[0]?.layers[0]?.bytesPerSecond;
  for (const bytes of [500, 1000, 1500, 2000]) {
    received.set('a', bytes);
    vi.advanceTimersByTime(500);
  }
  expect(rate()).toBe(1000);
  vi.advanceTimersByTime(10_000);
  expect(rate()).toBe(0);
  end.resolve(image);
  await watched;
});

it('keeps what has ended for a minute, as it was then, and looks no more', async () => {
  const { board, content, snapshots } = openBoard();
  const { end, watched } = startPull(board, [layer('a', 10)]);
  content.add('a');
  snapshots.add('chain of a');
  end.resolve(image);
  await watched;
  content.clear();
  expect(vi.getTimerCount()).toBe(0);
  expect(board.list()).toMatchObject([
    { outcome: { kind: 'done', imageId: image.id }, layers: [{ stage: 'done', bytes: 10 }] },
  ]);
  vi.advanceTimersByTime(60_001);
  expect(board.list()).toEqual([]);
});

it('tells why a pull failed', async () => {
  const { board } = openBoard();
  const cause = new Fault('unavailable', 'nobody answers');
  const watched = board.watch(subject, () => Promise.reject(cause));
  await expect(watched).rejects.toBe(cause);
  expect(board.list()).toMatchObject([
    { outcome: { kind: 'failed', code: 'unavailable', message: 'nobody answers' }, layers: [] },
  ]);
});
