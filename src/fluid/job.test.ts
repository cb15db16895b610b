import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { completionOf, hasLoaded, loadJobKey, loadOfJob } from './job.ts'

const dataLoad: KubeObject = {
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'DataLoad',
  metadata: { name: 'bloom-0123456789', namespace: 'models', uid: 'load-2' },
}
const owner = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'DataLoad', name: 'bloom-0123456789' }

function job(uid: string, conditions: JsonObject[]): KubeObject {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      ...loadJobKey({ namespace: 'models', name: 'bloom-0123456789' }),
      ownerReferences: [{ ...owner, uid }],
    },
    status: { conditions },
  }
}

const complete = { type: 'Complete', status: 'True', lastTransitionTime: '2026-11-25T10:00:00Z' }

test('a DataLoad’s Job is named as Fluid’s charts name it, and leads back', () => {
  const key = loadJobKey({ namespace: 'models', name: 'bloom-0123456789' })
  expect(key).toEqual({ namespace: 'models', name: 'bloom-0123456789-loader-job' })
  expect(loadOfJob(job('load-2', []))).toEqual({ namespace: 'models', name: 'bloom-0123456789' })
  expect(loadOfJob({ ...dataLoad, kind: 'Job' })).toBeUndefined()
})

test('a Job has loaded once it is complete, and only what its own DataLoad asked for', () => {
  expect(hasLoaded(job('load-2', [complete]), dataLoad)).toBe(true)
  // The criteria are met before the Job is: Kubernetes writes that condition first.
  expect(hasLoaded(job('load-2', [{ type: 'SuccessCriteriaMet', status: 'True' }]), dataLoad)).toBe(false)
  expect(hasLoaded(job('load-2', [{ ...complete, status: 'False' }]), dataLoad)).toBe(false)
  expect(hasLoaded(job('load-1', [complete]), dataLoad)).toBe(false)
  expect(hasLoaded(undefined, dataLoad)).toBe(false)
  expect(completionOf(job('load-2', [complete]))).toEqual(complete)
})
