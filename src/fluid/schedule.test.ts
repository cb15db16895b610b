import { expect, test } from 'vitest'
import type { KubeObject } from '../values/object.ts'
import { isScheduled, scheduledLoadKey, scheduledLoads } from './schedule.ts'

const load: KubeObject = {
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'DataLoad',
  metadata: { name: 'bloom-0123456789', namespace: 'models', labels: { a: 'b' } },
  spec: {
    dataset: { name: 'bloom-0123456789', namespace: 'models' },
    loadMetadata: true,
    target: [{ path: '/bloom' }],
  },
}
const another = { ...load, spec: { target: [{ path: '/llama' }] } }

test('an additional DataLoad loads the same paths with Fluid’s Cron policy', () => {
  const [scheduled = load] = scheduledLoads('models-0123456789', [load, another], '0 3 * * *')
  expect(scheduled.metadata).toEqual({ ...load.metadata, name: 'models-0123456789-s' })
  expect(scheduled.spec).toEqual({
    ...(load.spec as object),
    target: [{ path: '/bloom' }, { path: '/llama' }],
    policy: 'Cron',
    schedule: '0 3 * * *',
  })
  expect([isScheduled(scheduled), isScheduled(load)]).toEqual([true, false])
  expect(scheduledLoads('models-0123456789', [], '0 3 * * *')).toEqual([])
})

test('its name fits into that of a CronJob', () => {
  const { name } = scheduledLoadKey({ namespace: 'models', name: `${'m'.repeat(26)}-0123456789` })
  expect(`${name}-loader-job`.length).toBeLessThanOrEqual(52)
})
