import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../../src/values/object.ts'
import { alluxio, jindo, juicefs } from './kinds.ts'
import { toClaim, toVolume } from './volume.ts'

function datasetOf(name: string, spec: JsonObject = {}): KubeObject {
  return { apiVersion: '', kind: 'Dataset', metadata: { namespace: 'team-a', name, uid: 'u-1' }, spec }
}
const runtime: KubeObject = { apiVersion: '', kind: '', metadata: {}, spec: {} }

test('the volume is claimed beforehand and carries what the CSI driver needs', () => {
  const volume = toVolume({ dataset: datasetOf('bloom'), runtime, kind: jindo })
  expect(volume.metadata).toEqual({
    name: 'team-a-bloom',
    labels: { 'fluid.io/s-team-a-bloom': 'true', 'fluid.io/dataset-id': 'team-a-bloom' },
    annotations: { CreatedBy: 'fluid' },
  })
  expect(volume.spec).toEqual({
    claimRef: { namespace: 'team-a', name: 'bloom' },
    accessModes: ['ReadOnlyMany'],
    capacity: { storage: '100Pi' },
    storageClassName: 'fluid',
    csi: {
      driver: 'fuse.csi.fluid.io',
      volumeHandle: 'team-a-bloom',
      volumeAttributes: {
        fluid_path: '/runtime-mnt/jindo/team-a/bloom/jindofs-fuse',
        mount_type: 'jindo',
        runtime_namespace: 'team-a',
        runtime_name: 'bloom',
      },
    },
  })
})

test('access modes are those of the Dataset, nodes those of the FUSE pods', () => {
  const selecting = { ...runtime, spec: { fuse: { nodeSelector: { gpu: 'true' } } } }
  const dataset = datasetOf('bloom', { accessModes: ['ReadWriteMany'] })
  const volume = toVolume({ dataset, runtime: selecting, kind: alluxio })
  expect(volume.spec).toMatchObject({
    accessModes: ['ReadWriteMany'],
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'gpu', operator: 'In', values: ['true'] }] }],
      },
    },
  })
})

test('a directory of the node takes the place of what the CSI driver would mount', () => {
  const dataset = datasetOf('bloom')
  const { spec } = toVolume({ dataset, runtime, kind: jindo, hostPath: '/models/bloom' })
  expect(spec).toMatchObject({ storageClassName: 'fluid', hostPath: { path: '/models/bloom' } })
  expect(spec).not.toHaveProperty('csi')
})

test('the claim names its volume, and that of JuiceFS the generation of the FUSE pods', () => {
  const claim = toClaim(datasetOf('bloom'), juicefs)
  expect(claim.metadata).toMatchObject({ namespace: 'team-a', name: 'bloom' })
  expect(claim.metadata.labels?.['fuse.runtime.fluid.io/generation']).toBe('1')
  expect(toClaim(datasetOf('bloom'), jindo).metadata.labels).not.toHaveProperty(
    'fuse.runtime.fluid.io/generation',
  )
  expect(claim.spec).toMatchObject({ volumeName: 'team-a-bloom', storageClassName: 'fluid' })
})

test('if a label would be too long, the UID of the Dataset replaces it', () => {
  const { labels } = toClaim(datasetOf('m'.repeat(60)), jindo).metadata
  expect(labels).toMatchObject({ 'fluid.io/s-u-1': 'true', 'fluid.io/dataset-id': 'u-1' })
})
