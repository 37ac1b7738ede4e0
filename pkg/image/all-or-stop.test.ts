import { expect, it } from 'vitest';
import { Fault, type FaultCode } from '#errors/fault.ts';
import { allOrStop } from './all-or-stop.ts';
import { untilAborted } from './until-aborted.ts';

type Job = Parameters<typeof allOrStop>[0][number];

const never = new AbortController().signal;

function failing(code: FaultCode, message: string): Job {
  return async () => {
    throw new Fault(code, message);
  };
}

/** Ends only when it is stopped, and counts that. */
const stops: number[] = [];
async function waiting(signal: AbortSignal): Promise<void> {
  await untilAborted(new Promise(() => {}), signal).finally(() => stops.push(1));
}

it('allOrStop stops the others when one fails, and throws its failure', async () => {
  const jobs = [waiting, failing('not-found', 'the reason'), waiting];
  await expect(allOrStop(jobs, never)).rejects.toThrow('the reason');
  expect(stops.length).toBe(2);
});

it('allOrStop prefers a reason to the news that something was stopped', async () => {
  const jobs = [failing('cancelled', 'it stopped'), failing('unavailable', 'the reason')];
  await expect(allOrStop(jobs, never)).rejects.toThrow('the reason');
});

it('allOrStop hands on the signal of its caller', async () => {
  const aborted = AbortSignal.abort(new Fault('deadline-exceeded', 'too late'));
  await expect(allOrStop([waiting], aborted)).rejects.toThrow('too late');
});
