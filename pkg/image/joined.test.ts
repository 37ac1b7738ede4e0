import { expect, it } from 'vitest';
import { Joined } from './joined.ts';

const never = new AbortController().signal;

/** An operation that ends when the test says so, and tells of its signal. */
function operation() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const signals: AbortSignal[] = [];
  const start = (signal: AbortSignal): Promise<string> => {
    signals.push(signal);
    return promise;
  };
  return { start, resolve, reject, signals };
}

it('Joined gives all callers the result of one operation', async () => {
  const joined = new Joined<string, string>();
  const { start, resolve, signals } = operation();
  const calls = [joined.run('k', start, never), joined.run('k', start, never)];
  resolve('done');
  expect(await Promise.all(calls)).toEqual(['done', 'done']);
  expect(signals.length).toBe(1);
});

it('Joined aborts the operation when the last caller has gone, not before', async () => {
  const joined = new Joined<string, string>();
  const { start, signals } = operation();
  const [first, second] = [new AbortController(), new AbortController()];
  const calls = [joined.run('k', start, first.signal), joined.run('k', start, second.signal)];
  first.abort(new Error('first left'));
  await expect(calls[0]).rejects.toThrow('first left');
  expect(signals[0]?.aborted).toBe(false);
  second.abort(new Error('second left'));
  await expect(calls[1]).rejects.toThrow('second left');
  expect(signals[0]?.aborted).toBe(true);
});

it('Joined starts anew after an aborted operation, though that one is not over', async () => {
  const joined = new Joined<string, string>();
  const { start, signals, resolve } = operation();
  const left = new AbortController();
  const gone = joined.run('k', start, left.signal);
  left.abort(new Error('left'));
  await expect(gone).rejects.toThrow('left');
  const again = joined.run('k', start, never);
  expect(signals.length).toBe(2);
  resolve('done');
  expect(await again).toBe('done');
});

it('Joined tells every caller of a failure, and tries anew then', async () => {
  const joined = new Joined<string, string>();
  const { start, reject } = operation();
  const calls = [joined.run('k', start, never), joined.run('k', start, never)];
  reject(new Error('no luck'));
  await expect(calls[0]).rejects.toThrow('no luck');
  await expect(calls[1]).rejects.toThrow('no luck');
  expect(await joined.run('k', async () => 'luck', never)).toBe('luck');
});

it('Joined closes when also the abandoned operations are over', async () => {
  const joined = new Joined<string, string>();
  const { start, reject, signals } = operation();
  const call = joined.run('k', start, never);
  call.catch(() => {});
  const closed = joined.close();
  expect(signals[0]?.aborted).toBe(true);
  reject(new Error('aborted'));
  await closed;
  await expect(call).rejects.toThrow('aborted');
});
