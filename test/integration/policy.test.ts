import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { KubeError } from '../../src/kube/errors.ts'
import { resources } from '../../src/kube/resources.ts'
import { brokenSpecs, validSpecs } from '../../src/policy/rules.fixture.ts'
import { type JsonObject, type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { type Stage, startStage } from '../warmgate/stage.ts'
import { condition } from './await.ts'
import { namespace, policy, service, sklearn } from './services.ts'

let stage: Stage

beforeAll(async () => {
  stage = await startStage({ initContainerSeconds: 1, fluid: { bindMs: 300, pollMs: 300, syncMs: 200 } })
})

afterAll(async () => {
  await stage?.stop()
})

afterEach(async () => {
  const { items } = await stage.client.list(resources.accelerationPolicy)
  for (const { metadata } of items) {
    await stage.client.delete(resources.accelerationPolicy, { name: metadata.name ?? '' })
  }
})

async function refusalOf(spec: JsonObject): Promise<string> {
  try {
    await stage.client.create(resources.accelerationPolicy, policy('broken', spec), { dryRun: true })
    return 'accepted'
  } catch (error) {
    if (error instanceof KubeError) return error.message
    throw error
  }
}

describe('the API server', () => {
  test.each(brokenSpecs)('refuses $spec, and says what is valid', async ({ spec, place, says }) => {
    const refusal = await refusalOf(spec)
    expect(refusal).toContain(`${place}: Invalid value`)
    expect(refusal).toContain(says)
    expect(refusal).not.toContain('evaluation error')
  })

  test.each(validSpecs.map((spec) => [spec]))('takes %j', async (spec) => {
    expect(await refusalOf(spec)).toBe('accepted')
  })

  test('fills in the defaults', async () => {
    const made = await stage.client.create(resources.accelerationPolicy, policy('empty', {}), {
      dryRun: true,
    })
    expect(objectAt(made, 'spec')).toMatchObject({ priority: 0, mode: 'Enforce', warmup: { timeout: '30m' } })
  })
})

async function statusOf(name: string, wanted: (policy: KubeObject) => boolean): Promise<KubeObject> {
  return await until(`the status of policy ${name}`, async () => {
    const found = await stage.client.get(resources.accelerationPolicy, { name })
    return found !== undefined && wanted(found) ? found : undefined
  })
}

const reason = (object: KubeObject, type: string) => stringAt(condition(object, type), 'reason')
const services = (object: KubeObject) => objectAt(object, 'status').services

describe('the status of a policy', () => {
  test('says whether it is accepted, how many services it governs, and with whom it conflicts', async () => {
    await applyAll(stage.client, [namespace('status'), policy('first', {})])
    await stage.client.create(resources.inferenceService, service('status', 'a', sklearn('s3://models/a')))
    await stage.client.create(resources.inferenceService, service('status', 'b', sklearn('s3://models/b')))
    const alone = await statusOf('first', (found) => services(found) === 2)
    expect(reason(alone, 'Accepted')).toBe('Valid')
    expect(reason(alone, 'Conflicts')).toBe('NoConflict')
    expect(reason(alone, 'RuntimesMissing')).toBe('AllInstalled')

    await applyAll(stage.client, [policy('second', { sources: [{ match: ['s3://'], runtime: 'Jindo' }] })])
    const conflicting = await statusOf('second', (found) => reason(found, 'Conflicts') === 'EqualPriority')
    expect(services(conflicting)).toBe(0)
    expect(stringAt(condition(conflicting, 'Conflicts'), 'message')).toContain('first (status/')
    await statusOf('first', (found) => reason(found, 'Conflicts') === 'EqualPriority')

    await applyAll(stage.client, [policy('second', { priority: 5 })])
    const winner = await statusOf('second', (found) => services(found) === 2)
    expect(reason(winner, 'Conflicts')).toBe('NoConflict')
    const loser = await statusOf('first', (found) => services(found) === 0)

    // Written on a change alone: a look that finds nothing new writes nothing.
    await stage.client.patch(
      resources.inferenceService,
      { namespace: 'status', name: 'a' },
      { type: 'merge', body: { metadata: { labels: { touched: 'yes' } } } },
    )
    await applyAll(stage.client, [policy('third', { priority: -1 })])
    await statusOf('third', (found) => reason(found, 'Accepted') === 'Valid')
    const later = await stage.client.get(resources.accelerationPolicy, { name: 'first' })
    expect(later?.metadata.resourceVersion).toBe(loser.metadata.resourceVersion)
  })
})
