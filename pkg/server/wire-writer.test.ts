import protobuf from 'protobufjs/light.js';
import { expect, it } from 'vitest';
import { descriptor } from '#api/cri/v1/descriptor.ts';
import { messageType, serviceDefinition } from './codec.ts';
import { itemField, listed, streamed } from './encoded-list.ts';
import { WireWriter } from './wire-writer.ts';

it('WireWriter writes what protobuf.js reads, numbers of any size and messages in messages', () => {
  const to = new WireWriter();
  const values = [0, 1, 127, 128, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER];
  for (const value of values) {
    const metric = to.begin(2);
    to.text(1, 'name with ünïcode');
    to.uint(3, 1);
    to.text(4, 'x'.repeat(300));
    to.text(4, '');
    const wrapped = to.begin(5);
    to.uint(1, value);
    to.end(wrapped);
    to.end(metric);
  }
  const type = messageType('ContainerMetrics');
  const read = type.toObject(type.decode(to.take()), { longs: Number, defaults: true });
  expect(read['metrics']).toEqual(
    values.map((value) => ({
      name: 'name with ünïcode',
      metricType: 1,
      labelValues: ['x'.repeat(300), ''],
      value: { value },
      timestamp: 0,
    })),
  );
  expect(to.take()).toHaveLength(0);
});

it('WireWriter writes doubles', () => {
  const to = new WireWriter();
  to.double(2, 1.53);
  const type = messageType('PsiData');
  expect(type.toObject(type.decode(to.take()))).toEqual({ Avg10: 1.53 });
});

it('has the items of every list and of its stream in the same field', () => {
  const root = protobuf.Root.fromJSON(descriptor as protobuf.INamespace);
  const methods = ['RuntimeService', 'ImageService'].flatMap(
    (name) => root.lookupService(`runtime.v1.${name}`).methodsArray,
  );
  const lists = methods.filter(({ name }) => /^(List|Stream)/.test(name));
  expect(lists.length).toBeGreaterThan(12);
  for (const { name, responseType } of lists) {
    const fields = messageType(responseType).fieldsArray;
    expect([fields.length, fields[0]?.id, fields[0]?.repeated], name).toEqual([1, itemField, true]);
  }
  expect(Object.keys(serviceDefinition('RuntimeService'))).toContain('StreamContainers');
});

function* writeMany(to: WireWriter): Generator<void> {
  for (let item = 0; item < 300; item += 1) {
    const mark = to.begin(itemField);
    to.text(1, `${item}`);
    to.text(3, 'x'.repeat(5000));
    to.end(mark);
    yield;
  }
}

it('streams a list in parts that have each item once', async () => {
  const type = messageType('ListContainersResponse');
  const idsIn = (bytes: Buffer): string[] =>
    type.toObject(type.decode(bytes))['containers'].map(({ id }: { readonly id: string }) => id);
  const expected = Array.from({ length: 300 }, (_, item) => `${item}`);
  expect(idsIn(await listed(writeMany))).toEqual(expected);
  const parts = await Array.fromAsync(streamed(writeMany));
  expect(parts.length).toBeGreaterThan(2);
  expect(parts.flatMap(idsIn)).toEqual(expected);
});
