import { defineConfig } from 'vitest/config'

/** Tests of one module that need the disk, or many seeds; `npm run check` leaves them out. */
const LONG = [
  'src/conversation-log/sqlite-log.test.ts',
  'src/testing/simulation.test.ts',
  'src/testing/planted-bugs.test.ts',
  'src/testing/link-pair.test.ts',
]

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/conformance/**/*.test.ts'],
          exclude: LONG,
          environment: 'node',
          // No module has state of its own, so files can share a worker; loading them once halves the time.
          isolate: false,
        },
      },
      // Each of them does the work of thousands, on a machine that may have other work.
      { test: { name: 'long', include: LONG, environment: 'node', testTimeout: 120_000 } },
      {
        test: {
          name: 'product',
          include: ['test/**/*.test.ts'],
          exclude: ['test/conformance/**'],
          environment: 'node',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
