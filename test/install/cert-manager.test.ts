import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KubeObject } from '../../src/values/object.ts'
import { type BareApi, startBareApi } from '../cluster/bare-api.ts'
import { resourceOf } from '../cluster/objects.ts'
import { namespace } from '../integration/services.ts'
import { helm, withComponents } from './render.ts'

/* What is rendered for cert-manager, by the schemas of cert-manager's own CRDs. */

const ns = 'warmgate-system'
let folder: string
let api: BareApi

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-cert-manager-'))
  api = await startBareApi(['certificates.cert-manager.io', 'issuers.cert-manager.io'])
  await api.client.create(resourceOf(namespace(ns)), namespace(ns))
})

afterAll(async () => {
  await api?.stop()
  await rm(folder, { recursive: true })
})

test.each<[string, () => Promise<KubeObject[]>]>([
  ['kustomize', () => withComponents(folder, ['cert-manager'])],
  ['Helm', () => helm(folder, { certificates: { source: 'CertManager' } })],
])('%s: cert-manager accepts every Issuer and Certificate, and knows every field', async (_, render) => {
  const objects = (await render()).filter(({ apiVersion }) => apiVersion === 'cert-manager.io/v1')
  expect(objects.map(({ kind }) => kind).toSorted()).toEqual([
    'Certificate',
    'Certificate',
    'Issuer',
    'Issuer',
  ])
  for (const object of objects) {
    const metadata = { ...object.metadata, namespace: ns }
    const stored = await api.client.create(resourceOf(object), { ...object, metadata }, { dryRun: true })
    // The API server drops fields that the schema does not have.
    expect(stored.spec).toEqual(object.spec)
  }
})

test('a field that cert-manager does not know does not pass', async () => {
  const [certificate] = (await withComponents(folder, ['cert-manager'])).filter(
    ({ kind }) => kind === 'Certificate',
  )
  const spec = { ...(certificate?.spec as object), renewedBefore: '720h' }
  const object = { ...(certificate as KubeObject), spec }
  const stored = await api.client.create(resourceOf(object), object, { dryRun: true })
  expect(stored.spec).not.toEqual(spec)
})
