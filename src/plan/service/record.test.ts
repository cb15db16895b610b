import { expect, test } from 'vitest'
import { originalAnnotation } from '../../values/keys.ts'
import type { KubeObject, ObjectMeta } from '../../values/object.ts'
import { Draft } from '../draft.ts'
import { fakeService, fakeSigner } from '../plan.fake.ts'
import type { Original } from './original.ts'
import { provenOriginal, readRecord, subjectOf, trustingSigner, writeSigned } from './record.ts'

const original: Original = {
  locations: { predictor: { uri: 's3://models/llama', cache: 'llama-0123456789' } },
  additions: { predictor: { added: { '/resources/limits/nvidia.com~1gpu': '1' }, made: ['/resources'] } },
  madeAnnotations: false,
}
const model = { model: { storageUri: 'pvc://llama-0123456789' } }

function signed(metadata: ObjectMeta = {}, signer = fakeSigner): KubeObject {
  const draft = new Draft(fakeService(model, metadata))
  writeSigned(draft, original, { signer, subject: subjectOf(draft.object), kept: [] })
  return draft.object
}

function withText(service: KubeObject, change: (text: string) => string): KubeObject {
  const text = service.metadata.annotations?.[originalAnnotation] ?? ''
  return {
    ...service,
    metadata: { ...service.metadata, annotations: { [originalAnnotation]: change(text) } },
  }
}

test('a record that admission wrote for a service is proven on it', () => {
  expect(readRecord(signed(), fakeSigner)).toMatchObject({ original, isProven: true })
  expect(provenOriginal(signed(), fakeSigner)).toEqual(original)
})

test.each<[string, (service: KubeObject) => KubeObject]>([
  ['another name', (service) => ({ ...service, metadata: { ...service.metadata, name: 'other' } })],
  ['another namespace', (service) => ({ ...service, metadata: { ...service.metadata, namespace: 'other' } })],
  ['another kind', (service) => ({ ...service, kind: 'LLMInferenceService' })],
  ['another URI', (service) => withText(service, (text) => text.replace('llama"', 'bloom"'))],
  ['another cache', (service) => withText(service, (text) => text.replace('0123456789', '1123456789'))],
  ['more devices', (service) => withText(service, (text) => text.replace(':"1"', ':"64"'))],
  ['no signature', (service) => withText(service, (text) => text.replace(/,"proof":.*/, '}'))],
  ['a signature of one letter less', (service) => withText(service, (text) => text.replace(/.("\})$/, '$1'))],
  ['something behind the signature', (service) => withText(service, (text) => `${text} `)],
  [
    'a second signature',
    (service) => withText(service, (text) => text.replace(/(,"proof":".*")\}/, '$1$1}')),
  ],
])('on a service of %s it is unproven, and is read as such or ignored', (_, change) => {
  expect(readRecord(change(signed()), fakeSigner)?.isProven).not.toBe(true)
  expect(provenOriginal(change(signed()), fakeSigner)).toBeUndefined()
})

test('no two services share a signature', () => {
  const texts = [
    signed({ namespace: 'a-b', name: 'c' }),
    signed({ namespace: 'a', name: 'b-c' }),
    signed({ namespace: 'a', name: 'b","c' }),
    signed({ namespace: 'a","b', name: 'c' }),
  ].map(({ metadata }) => metadata.annotations?.[originalAnnotation])
  expect(new Set(texts).size).toBe(texts.length)
})

test('a service that is named by the API server is known by what it was generated from', () => {
  const { metadata, ...service } = signed({ name: '', generateName: 'llama-' })
  const named = (more: ObjectMeta) => ({ ...service, metadata: { ...metadata, ...more } }) as KubeObject
  expect(provenOriginal(named({ name: 'llama-x7f2p' }), fakeSigner)).toEqual(original)
  expect(provenOriginal(named({ name: 'bloom-x7f2p' }), fakeSigner)).toBeUndefined()
  expect(provenOriginal(named({ name: 'llama-x', generateName: 'l' }), fakeSigner)).toBeUndefined()
})

test('a record that says the same keeps its signature, by whatever key it was made', () => {
  const old = { ...fakeSigner, sign: (statement: string) => fakeSigner.sign(`old ${statement}`) }
  const before = readRecord(signed({}, old), fakeSigner)
  const draft = new Draft(fakeService(model))
  const kept = before === undefined ? [] : [before]
  writeSigned(draft, original, { signer: fakeSigner, subject: subjectOf(draft.object), kept })
  expect(draft.object.metadata.annotations?.[originalAnnotation]).toBe(before?.text)
})

test('records in files are trusted, and plans from files are not signed', () => {
  const service = signed({}, trustingSigner)
  expect(service.metadata.annotations?.[originalAnnotation]).not.toContain('proof')
  expect(provenOriginal(service, trustingSigner)).toEqual(original)
  expect(provenOriginal(service, fakeSigner)).toBeUndefined()
})

test('a record longer than any that can be stored is not parsed', () => {
  const service = withText(signed(), (text) => text + ' '.repeat(256 * 2 ** 10))
  expect(readRecord(service, fakeSigner)).toBeUndefined()
})
