import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { completionOf, isJobOf, loadJobKey, loadOfJob } from './job.ts'

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

test('a Job is complete by its condition, and belongs only to its own DataLoad', () => {
  expect(completionOf(job('load-2', [complete]))).toEqual(complete)
  // The criteria are met before the Job is: Kubernetes writes that condition first.
  expect(completionOf(job('load-2', [{ type: 'SuccessCriteriaMet', status: 'True' }]))).toBeUndefined()
  expect(completionOf(job('load-2', [{ ...complete, status: 'False' }]))).toBeUndefined()
  expect(isJobOf(job('load-2', []), dataLoad)).toBe(true)
  expect(isJobOf(job('load-1', []), dataLoad)).toBe(false)
})
