import { expect, test } from 'vitest'
import { shippedKserveConfig } from './config.ts'
import { deploymentMode } from './mode.ts'

function service(annotation: string | undefined, status: string | undefined) {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata:
      annotation === undefined ? {} : { annotations: { 'serving.kserve.io/deploymentMode': annotation } },
    ...(status === undefined ? {} : { status: { deploymentMode: status } }),
  }
}

test.each([
  [undefined, undefined, 'Serverless', 'Knative'],
  [undefined, undefined, 'Knative', 'Knative'],
  [undefined, undefined, 'RawDeployment', 'Standard'],
  [undefined, undefined, 'Standard', 'Standard'],
  [undefined, undefined, 'ModelMesh', 'ModelMesh'],
  ['RawDeployment', undefined, 'Serverless', 'Standard'],
  ['Serverless', undefined, 'Standard', 'Knative'],
  ['ModelMesh', undefined, 'Standard', 'ModelMesh'],
  // An unknown mode is ignored.
  ['standard', undefined, 'Knative', 'Knative'],
  ['toString', undefined, 'Standard', 'Standard'],
  // A deployed service keeps its mode.
  ['ModelMesh', 'Standard', 'Knative', 'Standard'],
  [undefined, 'Serverless', 'Standard', 'Knative'],
] as const)('annotation %s, status %s, cluster %s: %s', (annotation, status, cluster, mode) => {
  const config = { ...shippedKserveConfig, deploymentMode: cluster }
  expect(deploymentMode(service(annotation, status), config)).toBe(mode)
})
