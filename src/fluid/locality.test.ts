import { expect, test } from 'vitest'
import type { KubeObject } from '../values/object.ts'
import { referredDataset, workerLabel } from './locality.ts'

test('the label of the nodes that hold a Dataset is as Fluid makes it', () => {
  expect(workerLabel({ namespace: 'team-a', name: 'bloom-0123456789' }, undefined)).toBe(
    'fluid.io/s-team-a-bloom-0123456789',
  )
})

test('a label of 63 characters or more uses the UID, and is unknown without it', () => {
  const named = (length: number) => ({ namespace: 'n', name: 'm'.repeat(length - 'fluid.io/s-n-'.length) })
  expect(workerLabel(named(62), 'u-1')).toHaveLength(62)
  expect(workerLabel(named(63), 'u-1')).toBe('fluid.io/s-u-1')
  expect(workerLabel(named(63), undefined)).toBeUndefined()
})

test('a reference names the Dataset that holds the data', () => {
  const dataset = (mountPoint: string): KubeObject => ({
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'Dataset',
    metadata: {},
    spec: { mounts: [{ mountPoint }] },
  })
  const there = { namespace: 'shared', name: 'models', path: '' }
  expect(referredDataset(dataset('dataset://shared/models'))).toEqual(there)
  expect(referredDataset(dataset('dataset://shared/models/all/llama'))).toEqual({
    ...there,
    path: 'all/llama',
  })
  expect(referredDataset(dataset('s3://shared/models'))).toBeUndefined()
})

test('a reference that is too long, or names no Dataset, is ignored', () => {
  const of = (mountPoint: string) =>
    referredDataset({ apiVersion: 'v1', kind: 'Dataset', metadata: {}, spec: { mounts: [{ mountPoint }] } })
  expect(of('dataset://shared/models///a')).toMatchObject({ path: 'a' })
  for (const uri of [
    'dataset://',
    'dataset://shared',
    'dataset:///models',
    `dataset://a/${'b'.repeat(2_048)}`,
  ])
    expect(of(uri)).toBeUndefined()
})
