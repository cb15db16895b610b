import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unrecorded, withoutRecord } from '../../cluster/indexes.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { serviceId } from '../../cluster/services.ts'
import { fakeService, recorded } from '../../plan/plan.fake.ts'
import { originalAnnotation } from '../../values/keys.ts'
import { limits } from '../../values/limits.ts'
import type { KubeObject, ObjectKey } from '../../values/object.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { servicesUsing, usesCache } from './service-usage.ts'

const caches = ['llama-0123456789', 'bloom-0123456789']
const key = fc.record({ namespace: fc.constantFrom('models', 'b'), name: fc.constantFrom(...caches) })

type Kind = 'Proven' | 'Existing' | 'Forged' | 'Garbage' | 'None' | 'Huge'
const step = fc.record({
  name: fc.constantFrom('x', 'y', 'z'),
  namespace: fc.constantFrom('models', 'b'),
  cache: fc.constantFrom(...caches),
  kind: fc.constantFrom<Kind>('Proven', 'Existing', 'Forged', 'Garbage', 'None', 'Huge'),
  change: fc.constantFrom('Put', 'Put', 'Deleting', 'Gone', 'Rewritten'),
})

function serviceOf({
  name,
  namespace,
  cache,
  kind,
}: {
  name: string
  namespace: string
  cache: string
  kind: Kind
}) {
  const service = fakeService({ model: { storageUri: 's3://models/x' } }, { name, namespace })
  if (kind === 'None') return service
  if (kind === 'Garbage') return withRecord(service, '{')
  const existing = kind === 'Existing' ? { existing: true as const } : {}
  const locations = { predictor: { uri: 's3://models/x', cache, ...existing } }
  // Signed for the namespace `models`: in any other one it is not proven.
  const signed = recorded(service, { locations })
  const text = signed.metadata.annotations?.[originalAnnotation] ?? ''
  if (kind === 'Forged') return withRecord(signed, text.replace(/"proof":"./, '"proof":"!'))
  return kind === 'Huge' ? withRecord(signed, `${text}${' '.repeat(limits.annotationBytes)}`) : signed
}

function withRecord(service: KubeObject, text: string): KubeObject {
  return { ...service, metadata: { ...service.metadata, annotations: { [originalAnnotation]: text } } }
}

/** All services of the namespace, one by one. */
function scan(
  { services, records }: ReturnType<typeof fakeMirror>['mirror'],
  podRewrites: PodRewriteUsage,
  { namespace, name }: ObjectKey,
): KubeObject[] {
  return services
    .list(namespace)
    .filter((service) => service.metadata.deletionTimestamp === undefined)
    .filter((service) => podRewrites.has(service, name) || usesCache(records, service, name))
}

const ids = (services: KubeObject[]) => services.map(serviceId).toSorted()

test('the services that an index finds for a cache, or without a record, are those that a scan finds', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), key, (steps, of) => {
      const { mirror, services } = fakeMirror()
      const podRewrites = new PodRewriteUsage()
      for (const { change, ...each } of steps) {
        const service = serviceOf(each)
        if (change === 'Gone') {
          services.drop(each)
          podRewrites.set(service, [])
          continue
        }
        if (change === 'Deleting') service.metadata.deletionTimestamp = '2030-01-01T00:00:00Z'
        services.put(service)
        podRewrites.set(service, change === 'Rewritten' ? [{ cache: each.cache, path: '' }] : [])
        // The index exists from the first question on.
        servicesUsing({ mirror, podRewrites }, of)
        mirror.services.by(withoutRecord, unrecorded)
      }
      expect(ids(servicesUsing({ mirror, podRewrites }, of))).toEqual(ids(scan(mirror, podRewrites, of)))
      const bare = mirror.services.list().filter((service) => mirror.records.of(service) === undefined)
      expect(ids(mirror.services.by(withoutRecord, unrecorded))).toEqual(ids(bare))
    }),
  )
})

test('the users of a cache are found without a look at any other service', () => {
  const { mirror, services } = fakeMirror()
  const podRewrites = new PodRewriteUsage()
  for (let index = 0; index < 100; index++)
    services.put(
      serviceOf({
        name: `s-${index}`,
        namespace: 'models',
        cache: `c${index % 50}-0123456789`,
        kind: 'Proven',
      }),
    )
  const read: string[] = []
  const { locations } = mirror.records
  mirror.records.locations = (service) => {
    read.push(service.metadata.name ?? '')
    return locations.call(mirror.records, service)
  }
  const found = servicesUsing({ mirror, podRewrites }, { namespace: 'models', name: 'c7-0123456789' })
  expect(found.map(({ metadata }) => metadata.name)).toEqual(['s-57', 's-7'])
  expect(read.toSorted()).toEqual(['s-57', 's-7'])
})
