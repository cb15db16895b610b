import { type KubernetesObject, KubernetesObjectApi, PatchStrategy } from '@kubernetes/client-node'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { runRestore } from '../../src/cli/restore.ts'
import { adoptService } from '../../src/cluster/adoption.ts'
import { restoreService } from '../../src/cluster/restoration.ts'
import { retryOnConflict } from '../../src/kube/conflict.ts'
import { resources } from '../../src/kube/resources.ts'
import { systemClock } from '../../src/values/clock.ts'
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { governNamespace } from './await.ts'
import { namespace, service, sklearn } from './services.ts'

/*
 * The managers of a service's fields: `kubectl apply --server-side` still works without `--force-conflicts`.
 */

let testCluster: SharedCluster

beforeAll(async () => {
  const fluid = { bindMs: 200, pollMs: 200, syncMs: 200, modelBytes: () => 2 ** 50, bytesPerSecond: 1 }
  testCluster = await joinTestCluster('managers', fluid)
})

afterAll(async () => {
  await testCluster?.stop()
})

const webhookConfiguration = 'acceleration.warmgate.dev'
const labels = { 'warmgate.test/team': 'a' }

/**
 * As a team applies its manifest: it rejects with a 409 where another manager has a field that would change.
 */
async function apply(ns: string, uri: string, metadata: JsonObject = { labels }): Promise<KubeObject> {
  const manifest = service(ns, 'bloom', sklearn(uri))
  const body: unknown = { ...manifest, metadata: { ...manifest.metadata, ...metadata } }
  const api = KubernetesObjectApi.makeApiClient(testCluster.cluster.kubeConfig)
  const ssa = PatchStrategy.ServerSideApply
  const answer: unknown = await api.patch(body as KubernetesObject, undefined, undefined, 'team', false, ssa)
  return answer as KubeObject
}

const uriOf = (object: KubeObject | undefined) =>
  stringAt(object, 'spec', 'predictor', 'model', 'storageUri') ?? ''

async function live(ns: string): Promise<KubeObject> {
  const found = await testCluster.client.get(resources.inferenceService, { namespace: ns, name: 'bloom' })
  if (found === undefined) throw new Error(`no service in ${ns}`)
  return found
}

/** The names of the fields that Warmgate manages, as `f:` keys of any depth. */
function managedByWarmgate(object: KubeObject): string[] {
  const entries = listAt(object, 'metadata', 'managedFields').filter(
    (entry) => stringAt(entry, 'manager') === 'warmgate',
  )
  return entries.flatMap((entry) => leaves(objectAt(entry, 'fieldsV1')))
}

function leaves(fields: JsonObject): string[] {
  return Object.entries(fields).flatMap(([name, inner]) => {
    const below = leaves(objectAt(inner))
    if (name === '.') return []
    return below.length === 0 ? [name] : below
  })
}

/** Takes the label off, so that admission is away for this namespace. */
async function close(ns: string): Promise<void> {
  const body = { metadata: { labels: { 'warmgate.dev/acceleration': null } } }
  await testCluster.client.patch(resources.namespace, { name: ns }, { type: 'merge', body })
}

async function restore(ns: string, configuration = webhookConfiguration): Promise<string> {
  let output = ''
  const options = {
    client: testCluster.client,
    clock: systemClock,
    signal: new AbortController().signal,
    scope: { namespace: ns, services: [] },
    dryRun: false,
    timeoutMs: 120_000,
    podsOnly: false,
    parallel: 1,
    webhookConfiguration: configuration,
  }
  await runRestore(options, { stdout: { write: (text: string) => (output += text) } })
  return output
}

/** Each gives the manifest of a service back. */
const ways: { [name: string]: (ns: string) => Promise<void> } = {
  'onTimeout-revert': async (ns) => {
    await until('the manifest', async () => uriOf(await live(ns)).startsWith('s3://') || undefined)
  },
  restore: async (ns) => {
    expect(await restore(ns)).toContain('opted out InferenceService')
  },
  'revert-without-admission': async (ns) => {
    await close(ns)
    const optOut = 'a test'
    await retryOnConflict(async () => await restoreService(testCluster.client, await live(ns), { optOut }))
    expect((await live(ns)).metadata.annotations).toMatchObject({ 'warmgate.dev/reverted': 'a test' })
  },
  uninstall: async (ns) => {
    await close(ns)
    expect(await restore(ns, 'no-such-configuration')).toContain('restored InferenceService')
  },
  'restore-then-uninstall': async (ns) => {
    await restore(ns)
    await close(ns)
    await restore(ns, 'no-such-configuration')
    expect((await live(ns)).metadata.annotations ?? {}).not.toHaveProperty(['warmgate.dev/acceleration'])
  },
}

describe.each(Object.entries(ways))('%s', (name, giveBack) => {
  const ns = `managers-${name.toLowerCase()}`
  const hold = { onTimeout: name === 'onTimeout-revert' ? 'Revert' : 'Keep' }

  beforeEach(async () => {
    await governNamespace(testCluster.client, ns, { hold, warmup: { timeout: '3s' } })
  })

  test('leaves the next server-side apply of the team without a conflict, whatever changes', async () => {
    expect(uriOf(await apply(ns, 's3://models/bloom-v1'))).toMatch(/^pvc:/)
    await giveBack(ns)
    const given = await live(ns)
    expect(uriOf(given)).toBe('s3://models/bloom-v1')
    const allowed = ['f:warmgate.dev/acceleration', 'f:warmgate.dev/reverted']
    expect(managedByWarmgate(given).filter((field) => !allowed.includes(field))).toEqual([])
    expect(uriOf(await apply(ns, 's3://models/bloom-v1'))).toBe('s3://models/bloom-v1')
    expect(uriOf(await apply(ns, 's3://models/bloom-v2'))).toBe('s3://models/bloom-v2')
    // A field that the team removes from its manifest is deleted, because the team still manages it.
    const bare = await apply(ns, 's3://models/bloom-v2', {})
    expect(bare.metadata.labels ?? {}).not.toHaveProperty(['warmgate.test/team'])
  })
})

test('a team applies an adopted service again, and then another model: admission rewrites both', async () => {
  const ns = 'managers-adopted'
  await governNamespace(testCluster.client, ns, { hold: { onTimeout: 'Keep' } })
  await close(ns)
  expect(uriOf(await apply(ns, 's3://models/bloom-v1'))).toBe('s3://models/bloom-v1')
  await applyAll(testCluster.client, [namespace(ns)])
  const adopted = await until('an adoption', async () => {
    const answer = await adoptService(testCluster.client, await live(ns), { dryRun: false })
    return answer.kind === 'adopted' ? answer.service : undefined
  })
  const cache = uriOf(adopted)
  expect(cache).toMatch(/^pvc:/)
  expect(managedByWarmgate(adopted)).toEqual(['f:warmgate.dev/adopt'])
  expect(uriOf(await apply(ns, 's3://models/bloom-v1'))).toBe(cache)
  const next = uriOf(await apply(ns, 's3://models/bloom-v2'))
  expect(next).toMatch(/^pvc:/)
  expect(next).not.toBe(cache)
})
