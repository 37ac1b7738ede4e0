import { expect, it } from 'vitest';
import { runtimeWords } from './runtime-words.ts';

const time = 'time="2026-11-28T18:39:40Z"';

it.each([
  ['open `/x`: No such file\n', 'open `/x`: No such file'],
  [`${time} level=error msg="runc create failed: \\"/x\\": no"\n`, 'runc create failed: "/x": no'],
  [`${time} level=warning msg=slow error="a b"`, 'warning: slow error="a b"'],
  [`${time} level=error msg="a\\x00b"`, '"a\\x00b"'],
  [`${time} level=warning msg="one"\n${time} level=error msg="two"`, 'warning: one\ntwo'],
])('%j is %j', (said, words) => {
  expect(runtimeWords(said)).toBe(words);
});
