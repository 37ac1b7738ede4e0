import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { openOtlpExport } from './otlp.ts';
import { annotate, stage } from './span.ts';
import { Tracer } from './tracer.ts';

type Sent = {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code?: number; message?: string };
  attributes: { key: string; value: { stringValue: string } }[];
};

type Body = {
  resourceSpans: {
    resource: { attributes: Sent['attributes'] };
    scopeSpans: { spans: Sent[] }[];
  }[];
};

/** A collector that takes OTLP as JSON. */
async function startCollector() {
  const bodies: Body[] = [];
  const server = createServer((request, response) => {
    const take = async (): Promise<void> => {
      bodies.push((await json(request)) as Body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    };
    void take();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    bodies,
    endpoint: `http://127.0.0.1:${port}/v1/traces`,
    spans: () =>
      bodies.flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      ),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

const context = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  parentSpanId: '00f067aa0ba902b7',
  isSampled: true,
  state: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7',
};

it('sends operations with their stages, as parts of their callers’ traces', async () => {
  await using collector = await startCollector();
  const { endpoint } = collector;
  const exported = await openOtlpExport({ endpoint, sampling: 1, version: '1.2', warn: () => {} });
  const tracer = new Tracer();
  using _sending = tracer.onEnd(exported.send);
  await tracer.operation({ id: 'r1', name: 'StartContainer', context }, async () => {
    annotate({ containerId: 'c1' });
    await stage('monitor', async () => stage('runtime', () => {}));
  });
  const failing = tracer.operation({ id: 'r2', name: 'PullImage' }, async () => {
    throw new Error('no such image');
  });
  await expect(failing).rejects.toThrow();
  await exported.close();

  const byName = new Map(collector.spans().map((span) => [span.name, span]));
  const [root, monitor, runtime] = ['StartContainer', 'monitor', 'runtime'].map((name) =>
    byName.get(name),
  );
  expect(root).toMatchObject({ traceId: context.traceId, parentSpanId: context.parentSpanId });
  // What vendors add goes with each span of the trace.
  expect(root).toMatchObject({ traceState: context.state });
  expect(monitor).toMatchObject({ traceState: context.state });
  expect(monitor).toMatchObject({ traceId: context.traceId, parentSpanId: root?.spanId });
  expect(runtime).toMatchObject({ traceId: context.traceId, parentSpanId: monitor?.spanId });
  expect(root?.attributes).toContainEqual({ key: 'container.id', value: { stringValue: 'c1' } });
  const [begin, end] = [root?.startTimeUnixNano, root?.endTimeUnixNano].map(Number);
  expect(end).toBeGreaterThanOrEqual(begin ?? Number.NaN);
  expect(Math.abs((begin ?? 0) / 1e6 - Date.now())).toBeLessThan(60_000);
  expect(byName.get('PullImage')).toMatchObject({ status: { code: 2, message: 'no such image' } });
  expect(collector.bodies[0]?.resourceSpans[0]?.resource.attributes).toContainEqual({
    key: 'service.name',
    value: { stringValue: 'gantryd' },
  });
});

it('sends what callers sample, and of others as many as configured', async () => {
  await using collector = await startCollector();
  const { endpoint } = collector;
  const exported = await openOtlpExport({ endpoint, sampling: 0, version: '1', warn: () => {} });
  const tracer = new Tracer();
  using _sending = tracer.onEnd(exported.send);
  const run = async (name: string, isSampled?: boolean) =>
    tracer.operation(
      {
        id: name,
        name,
        ...(isSampled === undefined ? {} : { context: { ...context, isSampled } }),
      },
      async () => {},
    );
  await run('of nobody');
  await run('unwanted', false);
  await run('wanted', true);
  await exported.close();
  expect(collector.spans().map(({ name }) => name)).toEqual(['wanted']);
});

it('says so when there is no collector, and goes on', async () => {
  const warnings: string[] = [];
  const exported = await openOtlpExport({
    endpoint: 'http://127.0.0.1:1/v1/traces',
    sampling: 1,
    version: '1',
    warn: (message) => warnings.push(message),
  });
  const tracer = new Tracer();
  using _sending = tracer.onEnd(exported.send);
  await tracer.operation({ id: 'r', name: 'Version' }, async () => {});
  await exported.close().catch(() => {});
  expect(warnings.join('\n')).toMatch(/ECONNREFUSED/);
}, 30_000);
