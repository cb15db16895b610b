import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { fakeService } from '../plan.fake.ts'
import { mergeStorage } from './partial-write.ts'

/* Which fields an update takes out of a storage spec that a claim has replaced. */

const recorded = { key: 'minio', path: 'v1', parameters: { type: 's3', region: 'eu' } }
const place = '/spec/predictor/model/storage'
const claim = 'pvc://llama-0123456789'

function update(previous: JsonObject, service: JsonObject, written: JsonObject = { path: 'v2' }): JsonObject {
  const object = (metadata: JsonObject) => fakeService({ model: { storageUri: claim } }, metadata)
  const write = { previous: object(previous), service: object(service) }
  return mergeStorage({ recorded, written, place, write })
}

/** As `kubectl apply` notes what it sent. */
function noted(model: JsonObject): JsonObject {
  const manifest: KubeObject = fakeService({ model })
  return { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(manifest) } }
}

type Manager = [manager: string, operation: 'Apply' | 'Update', model: JsonObject]

/** As the API server notes who owns what. */
function owned(...managers: Manager[]): JsonObject {
  return {
    managedFields: managers.map(([manager, operation, model]) => ({
      manager,
      operation,
      apiVersion: 'serving.kserve.io/v1beta1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:spec': { 'f:predictor': { 'f:model': model } } },
    })),
  }
}

const all = { 'f:storage': { 'f:key': {}, 'f:path': {}, 'f:parameters': { 'f:type': {}, 'f:region': {} } } }
const pathOnly = { 'f:storage': { '.': {}, 'f:path': {} } }
const merged = { ...recorded, path: 'v2' }

test('a merge patch leaves every field that it does not name', () => {
  expect(update({}, {})).toEqual(merged)
  const managed = owned(['helm', 'Update', all])
  expect(update(managed, owned(['helm', 'Update', pathOnly]))).toEqual(merged)
})

test('kubectl apply takes out what its manifest no longer has', () => {
  const before = noted({ storage: recorded })
  expect(update(before, noted({ storage: { path: 'v2' } }))).toEqual({ path: 'v2' })
  expect(update(before, noted({ storage: { ...recorded, path: 'v2', parameters: { type: 's3' } } }))).toEqual(
    {
      ...merged,
      parameters: { type: 's3' },
    },
  )
  // A field that it never had belongs to another manager.
  expect(update(noted({ storage: { path: 'v1' } }), noted({ storage: { path: 'v2' } }))).toEqual(merged)
})

test.each<[string, JsonObject]>([
  ['is gone', {}],
  ['is no JSON', { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"spec":' } }],
  ['has the claim, and so never had the spec', noted({ storageUri: claim, storage: { path: 'v2' } })],
])('nothing is taken out because of a manifest that %s', (_, service) => {
  expect(update(noted({ storage: recorded }), service)).toEqual(merged)
})

test('server-side apply takes out what its manager no longer owns', () => {
  const before = owned(['argocd', 'Apply', all], ['kserve', 'Update', {}])
  expect(update(before, owned(['argocd', 'Apply', pathOnly]))).toEqual({ path: 'v2' })
  const oneLess = { 'f:storage': { ...all['f:storage'], 'f:parameters': { 'f:type': {} } } }
  expect(update(before, owned(['argocd', 'Apply', oneLess]))).toEqual({
    ...merged,
    parameters: { type: 's3' },
  })
})

test('a field that another manager owns stays', () => {
  const key: Manager = ['odh', 'Update', { 'f:storage': { 'f:key': {} } }]
  const before = owned(['argocd', 'Apply', all], key)
  const now = owned(['argocd', 'Apply', pathOnly], key)
  expect(update(before, now)).toEqual({ key: 'minio', path: 'v2' })
})

test('a further manager that applies one field takes out none', () => {
  const argo: Manager = ['argocd', 'Apply', all]
  expect(update(owned(argo), owned(argo, ['tuner', 'Apply', pathOnly]))).toEqual(merged)
})

test.each<[string, JsonObject]>([
  ['is gone', owned(['tuner', 'Apply', pathOnly])],
  ['owns the claim', owned(['argocd', 'Apply', { 'f:storageUri': {}, ...pathOnly }])],
])('nothing is taken out because of a manager that %s', (_, service) => {
  expect(update(owned(['argocd', 'Apply', all]), service)).toEqual(merged)
})

test('written fields stay, even if another manager gave them up', () => {
  const before = owned(['argocd', 'Apply', all])
  expect(update(before, owned(['argocd', 'Apply', pathOnly]), { path: 'v2', key: 'ceph' })).toEqual({
    key: 'ceph',
    path: 'v2',
  })
})
