import { expect, test } from 'vitest'
import type { KubeObject } from '../../values/object.ts'
import { fakeFacts, fakeService } from '../plan.fake.ts'
import { plan } from '../plan.ts'
import { undo } from './undo.ts'

const why = 'warmgate restore'
const manifest = fakeService({ model: { modelFormat: { name: 'sklearn' }, storageUri: 's3://models/llama' } })

function accelerated(service: KubeObject): KubeObject {
  const made = plan({ service, facts: fakeFacts() })
  expect(made.decision).toBe('accelerate')
  return made.service
}

test.each<[string, KubeObject]>([
  ['without annotations', manifest],
  ['with its own', { ...manifest, metadata: { ...manifest.metadata, annotations: { team: 'a' } } }],
])('a service %s is the manifest that came in', (_, service) => {
  expect(undo(accelerated(service), undefined)).toEqual({ kind: 'changed', service })
})

test('if a webhook would accelerate it again, it opts out, and admission changes nothing', () => {
  const before = accelerated(manifest)
  const undone = undo(before, why)
  const annotations = { 'warmgate.dev/acceleration': 'disabled', 'warmgate.dev/reverted': why }
  const expected = { ...manifest, metadata: { ...manifest.metadata, annotations } }
  expect(undone).toEqual({ kind: 'changed', service: expected })
  expect(plan({ service: expected, previous: before, facts: fakeFacts() }).patch).toEqual([])
  expect(undo(expected, why)).toEqual({ kind: 'untouched' })
})

test('Warmgate’s opt-out is removed with the webhook, a user’s opt-out stays', () => {
  const optedOut = undo(accelerated(manifest), why)
  if (optedOut.kind !== 'changed') throw new Error(optedOut.kind)
  expect(undo(optedOut.service, undefined)).toEqual({ kind: 'changed', service: manifest })
  const annotations = { 'warmgate.dev/acceleration': 'disabled' }
  const theirs = { ...manifest, metadata: { ...manifest.metadata, annotations } }
  expect(undo(theirs, undefined)).toEqual({ kind: 'untouched' })
  expect(undo(theirs, why)).toEqual({ kind: 'untouched' })
})

test('a service that was never accelerated opts out only if requested', () => {
  expect(undo(manifest, undefined)).toEqual({ kind: 'untouched' })
  expect(undo(manifest, why)).toMatchObject({ kind: 'changed' })
})

test('an invalid record is reported, and nothing is guessed', () => {
  const annotations = { 'warmgate.dev/original': '{', 'warmgate.dev/caches': 'llama-0123456789' }
  const broken = { ...manifest, metadata: { ...manifest.metadata, annotations } }
  expect(undo(broken, undefined)).toMatchObject({ kind: 'unreadable' })
})
