import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One of everything that a layer may hold. */
export function makeSpecimens(directory: string): void {
  const at = (name: string) => join(directory, name);
  mkdirSync(at('sub/empty'), { recursive: true });
  writeFileSync(at('sub/file'), 'content');
  writeFileSync(at('empty'), '');
  writeFileSync(at('big'), Buffer.alloc(3_000_001, 'gantry'));
  writeFileSync(at('setuid'), '');
  chownSync(at('setuid'), 1000, 2000);
  chmodSync(at('setuid'), 0o6755);
  writeFileSync(at('capable'), '');
  execFileSync('setcap', ['cap_net_raw=ep', at('capable')]);
  writeFileSync(at(`sub/${'long'.repeat(60)}`), 'a name of 240 bytes');
  mkdirSync(at(`deep/${'directory/'.repeat(30)}`), { recursive: true });
  writeFileSync(at(`deep/${'directory/'.repeat(30)}file`), 'below a long path');
  writeFileSync(Buffer.from(`${directory}/latin-\xff\xe9`, 'latin1'), 'not UTF-8');
  writeFileSync(at('\u00e4\u20ac'), 'UTF-8');
  writeFileSync(at('owned'), '');
  chownSync(at('owned'), 3_000_000, 4_000_000);
  linkSync(at('sub/file'), at('hard'));
  symlinkSync('sub/file', at('soft'));
  symlinkSync('t'.repeat(200), at('long-soft'));
  execFileSync('touch', ['-h', '-d', '1969-12-31T23:59:58.25Z', at('soft')]);
  linkSync(at('soft'), at('hard-soft'));
  execFileSync('mkfifo', [at('fifo')]);
  execFileSync('mknod', [at('char'), 'c', '5', '300']);
  execFileSync('mknod', [at('block'), 'b', '259', '70000']);
  mkdirSync(at('sticky'));
  chmodSync(at('sticky'), 0o3777);
  writeFileSync(at('old'), '');
  execFileSync('touch', ['-d', '2001-02-03T04:05:06.123456789Z', at('old'), at('sub')]);
  mkdirSync(at('read-only'));
  writeFileSync(at('read-only/file'), '');
  chmodSync(at('read-only'), 0o555);
}
