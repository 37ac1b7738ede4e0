import { extractLayer } from '#image/layer/extract.ts';
import { ByteReader, growingFile } from '#image/layer/bytes.ts';
import { decompress } from '#image/layer/decompress.ts';
import { DownloadProgress } from '#image/download-progress.ts';
import { openSync, statSync, mkdirSync } from 'node:fs';
const [, , file, dir] = process.argv;
process.umask(0);
const p = new DownloadProgress();
p.advanceTo(statSync(file).size);
p.complete();
mkdirSync(dir, { recursive: true, mode: 0o755 });
const t = performance.now();
const raw = growingFile(
  { fd: openSync(file, 'r'), progress: p },
  Buffer.allocUnsafeSlow(256 * 1024),
  () => false,
);
using d = decompress(raw, Buffer.allocUnsafeSlow(256 * 1024));
const r = extractLayer(new ByteReader(d.next), dir);
console.log(r.usedBytes, r.inodes, r.implicitDirectories.length, performance.now() - t);
