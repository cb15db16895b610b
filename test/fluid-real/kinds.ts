import { type Resource, resources } from '../../src/kube/resources.ts'
import type { KubeObject } from '../../src/values/object.ts'

const { dataset, job } = resources

export const thinRuntime: Resource = { ...dataset, plural: 'thinruntimes', kind: 'ThinRuntime' }
export const cronJob: Resource = { ...job, plural: 'cronjobs', kind: 'CronJob' }

const thinProfile: Resource = {
  ...dataset,
  plural: 'thinruntimeprofiles',
  kind: 'ThinRuntimeProfile',
  namespaced: false,
}

/** A ThinRuntimeProfile of a platform team, with its own FUSE client. */
export function profile(name: string): [Resource, KubeObject] {
  const fuse = { image: `${name}-fuse`, imageTag: '1.0', imagePullPolicy: 'IfNotPresent' }
  return [
    thinProfile,
    {
      apiVersion: 'data.fluid.io/v1alpha1',
      kind: thinProfile.kind,
      metadata: { name },
      spec: { fileSystemType: name, fuse },
    },
  ]
}
