import { expect, test } from 'vitest'
import { openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { cut } from '../../cluster/reduce.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import type { Json, KubeObject } from '../../values/object.ts'
import { DecisionEventReconciler } from './decision-events.ts'

const service = fakeService({ model: { modelFormat: { name: 'sklearn' }, storageUri: 's3://models/llama' } })

async function eventsOn(object: KubeObject, policy: Json = {}): Promise<EventNote[]> {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const events: EventNote[] = []
  fake.parsed.push(fakePolicy('p', policy))
  api.put(openNamespace, object)
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const recorder = { record: (event: EventNote) => events.push(event) }
  await new DecisionEventReconciler({
    mirror,
    planner: fakePlanner({ mirror, client: api }),
    events: recorder,
  }).reconcile(object)
  return events
}

test('a service that admission never saw is reported, with what to do', async () => {
  const [event] = await eventsOn(service)
  expect(event).toMatchObject({ type: 'Normal', reason: 'NotAdmitted', regarding: { kind: service.kind } })
  expect(event?.note).toMatch(
    /created while admission was unavailable; `warmgate adopt --namespace models llama`/,
  )
  const [adopted] = await eventsOn(service, { adopt: { mode: 'Automatic' } })
  expect(adopted?.note).toMatch(/; AccelerationPolicy p adopts it automatically$/)
})

test('nothing is reported for a service that was read without its spec', async () => {
  expect(await eventsOn(cut(service, 'Closed'))).toEqual([])
})

test.each([
  ['is accelerated', plan({ service, facts: fakeFacts() }).service, {}, ['Accelerated']],
  ['opted out', withAnnotation('warmgate.dev/acceleration', 'disabled'), {}, ['OptedOut']],
  ['is only watched', service, { mode: 'Audit' }, ['AuditOnly']],
  ['is served by its pods', service, { rewrite: 'Pod' }, ['Accelerated']],
])('a service that %s is none of these', async (_, object, policy, reasons) => {
  expect((await eventsOn(object, policy)).map(({ reason }) => reason)).toEqual(reasons)
})

function withAnnotation(name: string, value: string): KubeObject {
  return { ...service, metadata: { ...service.metadata, annotations: { [name]: value } } }
}
