import { expect, test } from 'vitest'
import { knownAnnotations } from './annotations.ts'

test('the annotations that are read are known by the domain of their key', () => {
  const read = {
    'warmgate.dev/hold': 'None',
    'serving.kserve.io/storageSecretName': 's3',
    'data.fluid.io/x': 'y',
    'autoscaling.serving.knative.dev/x': 'y',
    'example.com/secret': 'named',
  }
  const others = {
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
    team: 'a',
    'notkserve.io/x': 'y',
  }
  expect(knownAnnotations({ ...read, ...others }, ['example.com/secret'])).toEqual(read)
  expect(knownAnnotations(undefined)).toEqual({})
})
