import { defineConfig } from 'vitest/config';

// As in test/integration/harness/wait.ts.
const slowness = Number(process.env['GANTRY_TEST_SLOWNESS'] ?? 1);

/** For conditions that come soon, but not on a machine that is busy. */
const patience = { poll: { timeout: 20_000 * slowness } };

/** On the emulated processor Node itself dies now and then, in one of some hundred starts. */
const retry = process.env['GANTRY_VM'] === undefined ? 0 : 1;

// These are for the machine of hack/vm, and take all of it.
const machine =
  process.env['GANTRY_VM'] === undefined
    ? []
    : [
        {
          test: {
            name: 'vm',
            include: ['test/vm/**/*.test.ts'],
            globalSetup: 'test/integration/harness/global-setup.ts',
            testTimeout: 60_000 * slowness,
            expect: patience,
            retry,
            hookTimeout: 120_000 * slowness,
          },
        },
      ];

// oxlint-disable-next-line import/no-default-export -- vitest asks for it
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{pkg,cmd,hack}/**/*.test.ts'],
          testTimeout: 30_000 * slowness,
          hookTimeout: 30_000 * slowness,
          expect: patience,
          retry,
        },
      },
      ...machine,
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: 'test/integration/harness/global-setup.ts',
          testTimeout: 60_000 * slowness,
          expect: patience,
          retry,
          hookTimeout: 120_000 * slowness,
        },
      },
    ],
  },
});
