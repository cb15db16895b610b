import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/count.test.ts', 'test/property/plan.property.test.ts'],
          // No module keeps state, so that files may share a process: half the time.
          isolate: false,
          // Keys and certificates take their time where others work, too.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: [
            '{test/{attack,cluster,fluid,fluid-real,integration,node},bench,demo}/**/*.test.ts',
            // It reads the CRDs of KServe's module.
            'test/property/crd.property.test.ts',
          ],
          // One control plane at a time on a small machine; a file starts its own and stops it.
          fileParallelism: false,
          // Tests that wait for Fluid's polls of 20 s wait together.
          maxConcurrency: 64,
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
