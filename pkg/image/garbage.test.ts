import { expect, it } from 'vitest';
import { createLog } from '#log/log.ts';
import { Garbage, type GarbageDeps } from './garbage.ts';

function refuse(): never {
  throw new Error("EROFS: read-only file system, rename '/x'");
}

it('what cannot be removed keeps nobody from anything, nor other things from being removed', () => {
  const kept: unknown[] = [];
  const lines: string[] = [];
  const garbage = new Garbage({
    table: { blobs: () => [], list: () => [] },
    rootfs: { of: () => [] },
    content: { keepOnly: refuse },
    snapshots: { keepOnly: (needed: ReadonlySet<string>) => kept.push([...needed]) },
    others: new Map(),
    log: createLog('warn', (line) => lines.push(line)),
  } as unknown as GarbageDeps);
  const lease = { digests: ['sha256:1'], chainIds: ['sha256:2'] };
  garbage.lease(lease);
  garbage.collect();
  garbage.giveBack(lease);
  expect(kept).toEqual([['sha256:2'], []]);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain('EROFS');
});
