import { expect, it } from 'vitest';
import { newSpanId, newTraceId, parseTraceparent } from './traceparent.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

it('reads where a trace goes on', () => {
  expect(parseTraceparent(`00-${traceId}-${spanId}-01`, 'vendor=1')).toEqual({
    traceId,
    parentSpanId: spanId,
    isSampled: true,
    state: 'vendor=1',
  });
  expect(parseTraceparent(`00-${traceId}-${spanId}-00`)).toMatchObject({ isSampled: false });
  expect(parseTraceparent(`cc-${traceId}-${spanId}-01-more`)).toMatchObject({ traceId });
});

it.each([
  '',
  `ff-${traceId}-${spanId}-01`,
  `00-${traceId}-${spanId}-01-more`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${traceId}-${spanId}`,
])('takes no notice of "%s"', (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
});

it('makes ids of the right size', () => {
  expect(newTraceId()).toMatch(/^[\da-f]{32}$/);
  expect(newSpanId()).toMatch(/^[\da-f]{16}$/);
});
