import { expect, test } from 'vitest'
import type { EventNote } from '../kube/events.ts'
import { createLogger } from '../telemetry/logger.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { KubeObject } from '../values/object.ts'
import { findKserve } from './kserve-installation.ts'
import { checkKserve, watchKserve } from './kserve-missing.ts'
import { fakeMirror } from './mirror.fake.ts'

function setUp(kserveNamespace?: string) {
  const fake = fakeMirror()
  const notes: EventNote[] = []
  const config = (namespace: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: 'inferenceservice-config' },
  })
  const metadata = { name: 'warmgate-system', uid: 'w' }
  fake.namespaces.put({ apiVersion: 'v1', kind: 'Namespace', metadata })
  const check = {
    mirror: fake.mirror,
    events: { record: (note: EventNote) => notes.push(note) },
    logger: createLogger('silent'),
    namespace: 'warmgate-system',
    kserveNamespace,
  }
  return { ...fake, config, notes, check }
}

test('KServe is where its ConfigMap is, in the usual namespaces in their order', () => {
  const { configMaps, config, mirror } = setUp()
  expect(findKserve(mirror, undefined)).toEqual({ namespace: 'kserve', configMap: undefined })
  for (const namespace of ['elsewhere', 'kubeflow', 'redhat-ods-applications', 'opendatahub', 'kserve']) {
    configMaps.put(config(namespace))
    if (namespace !== 'elsewhere') expect(findKserve(mirror, undefined).namespace).toBe(namespace)
  }
  expect(findKserve(mirror, 'elsewhere').configMap).toEqual(config('elsewhere'))
  expect(findKserve(mirror, 'other')).toEqual({ namespace: 'other', configMap: undefined })
})

test('without its ConfigMap an installed KServe is reported, on the namespace of Warmgate', () => {
  const { check, notes } = setUp()
  expect(checkKserve(check)).toBe(false)
  expect(notes).toMatchObject([
    { type: 'Warning', reason: 'KserveConfigMissing', regarding: { metadata: { name: 'warmgate-system' } } },
  ])
  expect(notes[0]?.note).toContain('is not in kserve, opendatahub, redhat-ods-applications, kubeflow')
})

test.each<[string, (its: ReturnType<typeof setUp>) => void]>([
  ['it is there', ({ configMaps, config }) => configMaps.put(config('opendatahub'))],
  ['it is not known yet', ({ configMaps }) => Object.assign(configMaps, { state: 'starting' })],
  [
    'KServe is not installed',
    ({ services, llmServices }) => {
      for (const each of [services, llmServices]) Object.assign(each, { state: 'unavailable' })
    },
  ],
])('nothing is reported where %s', (_, prepare) => {
  const its = setUp()
  prepare(its)
  expect(checkKserve(its.check)).toBe(true)
  expect(its.notes).toEqual([])
})

test('it is reported again when the ConfigMap goes, and every hour', async () => {
  const { check, configMaps, config, notes } = setUp()
  const clock = new FakeClock()
  const ending = new AbortController()
  configMaps.put(config('kserve'))
  const running = watchKserve({ ...check, clock }, ending.signal)
  await clock.advance(1_000)
  expect(notes).toHaveLength(0)
  configMaps.drop({ namespace: 'kserve', name: 'inferenceservice-config' })
  expect(notes).toHaveLength(1)
  await clock.advance(3_600_000)
  expect(notes).toHaveLength(2)
  ending.abort()
  await running
})
