import { defineConfig } from 'vitest/config'

// What waits for Fluid's polls, and for a control plane on a machine that may be busy.
const patient = { testTimeout: 600_000, hookTimeout: 600_000 }

/** Test files of the folder that need no cluster. */
const offline = [
  'bench/*.test.ts',
  'demo/{picture,timeline}.test.ts',
  'test/*.test.ts',
  'test/cluster/binaries.test.ts',
  'test/fluid/{cache,operation,setup,status,volume}.test.ts',
  'test/node/requirements.test.ts',
  'test/property/plan.property.test.ts',
]
/** Each starts a control plane of its own: it restarts Warmgate, moves its clock, or changes what all others use. */
const alone = ['test/alone/*.test.ts', 'test/attack/!(records).test.ts', 'test/cluster/survival.test.ts']
/** Each starts a real node, and a control plane of its own. */
const node = ['test/node/{hold,image}.test.ts', 'test/engine/*.test.ts']

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{src,manifests,release}/**/*.test.ts', ...offline],
          // No module keeps state, so that files may share a process: half the time.
          isolate: false,
          // Keys and certificates take their time where others work, too.
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/{cluster,fluid,integration,property}/**/*.test.ts', 'test/attack/records.test.ts'],
          exclude: [...offline, ...alone],
          // One control plane for all files.
          globalSetup: 'test/warmgate/shared.setup.ts',
          maxWorkers: 4,
          // Most of what tests do is to wait.
          maxConcurrency: 64,
          ...patient,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'fluid',
          include: ['test/fluid-real/*.test.ts'],
          maxWorkers: 1,
          // Tests that wait for Fluid's polls of 20 s wait together.
          maxConcurrency: 64,
          ...patient,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'node',
          include: node,
          fileParallelism: false,
          ...patient,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'alone',
          include: alone,
          exclude: [],
          fileParallelism: false,
          ...patient,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          name: 'docs',
          include: ['test/{docs,install,prometheus}/*.test.ts', 'demo/demo.test.ts'],
          fileParallelism: false,
          ...patient,
          sequence: { groupOrder: 5 },
        },
      },
    ],
  },
})
