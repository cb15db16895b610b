import { vi } from 'vitest'
import { type Resource, resources } from '../../src/kube/resources.ts'
import type { KubeObject, ObjectKey } from '../../src/values/object.ts'

/** The resource that the hostile server serves. */
export const dataset: Resource = resources.dataset
export const key: ObjectKey = { namespace: 'ml', name: 'llama' }
export const path = '/apis/data.fluid.io/v1alpha1/namespaces/ml/datasets/llama'

export function makeDataset(name: string, more: object = {}): KubeObject {
  return {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'Dataset',
    metadata: { namespace: 'ml', name, uid: `uid-${name}` },
    ...more,
  }
}

/** The error of a call. A call that does not reject fails the test. */
export async function rejection(call: Promise<unknown>): Promise<Error> {
  const outcome = await call.then(
    () => 'it resolved',
    (error: unknown) => error,
  )
  if (outcome instanceof Error) return outcome
  throw new Error(`expected an error, but ${outcome}`)
}

/** Waits for what real input and output bring about; how long they take is up to the machine. */
export async function until(check: () => void): Promise<void> {
  await vi.waitFor(check, { interval: 2, timeout: 4_000 })
}
