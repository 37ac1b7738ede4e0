import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { cleanFileMappings, dropProgramPages } from './memory.ts';

it('finds the mappings that can be read again from their file, and no other', () => {
  const smaps = [
    '00400000-00500000 r-xp 00000000 fe:00 123   /usr/bin/node',
    'Rss: 100 kB',
    'Anonymous:             0 kB',
    '00500000-00600000 r--p 00000000 fe:00 123   /usr/bin/node',
    'Anonymous:            12 kB',
    '00600000-00700000 rw-p 00000000 fe:00 123   /usr/bin/node',
    'Anonymous:             0 kB',
    '00700000-00800000 r-xp 00000000 00:00 0 ',
    'Anonymous:             0 kB',
    '00800000-00900000 r-xp 00000000 00:00 0     [vdso]',
    'Anonymous:             0 kB',
    '',
  ].join('\n');
  expect(cleanFileMappings(smaps)).toEqual([{ start: 0x400000n, end: 0x500000n }]);
});

it('shrinks the process, which goes on', () => {
  const before = residentFileKib();
  dropProgramPages();
  expect(residentFileKib()).toBeLessThan(before);
  expect(JSON.parse('{"still":"here"}')).toEqual({ still: 'here' });
});

function residentFileKib(): number {
  return Number(/^RssFile:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}
