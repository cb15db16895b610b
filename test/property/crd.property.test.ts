import fc from 'fast-check'
import jsonPatch from 'fast-json-patch'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findModelLocations } from '../../src/kserve/location.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { Draft } from '../../src/plan/draft.ts'
import type { Facts } from '../../src/plan/facts.ts'
import { type Plan, plan } from '../../src/plan/plan.ts'
import { readOriginal, restore } from '../../src/plan/service/original.ts'
import { patchTargetsOf } from '../../src/plan/service/patch-target.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { provideBinaries } from '../cluster/binaries.ts'
import { resourceOf } from '../cluster/objects.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { optedInFacts } from './arbitraries.ts'
import { servicesOf } from './services.ts'

/*
 * What must hold for every service that KServe's CRDs accept: values are made of the CRDs' own schemas. A
 * failure prints its seed; WARMGATE_PROPERTY_SEED takes it again. `make properties` makes 105,000.
 */

const numRuns = Number(process.env.WARMGATE_PROPERTY_RUNS ?? 200)
const seed = Number(process.env.WARMGATE_PROPERTY_SEED ?? Date.now() % 2 ** 31)
process.stdout.write(`property seed ${seed}, ${numRuns} services of each version\n`)
vi.setConfig({ testTimeout: 60_000 + 100 * numRuns })

const { kserve } = (await provideBinaries({ programs: [] })).manifests
const versions = [...kserve.crds, ...kserve.llm.crds].flatMap(servicesOf)

describe.each(versions)('$kind $version', ({ services }) => {
  test('accelerated, it is as safe as untouched, and comes back byte for byte', () => {
    const reasons = new Map<string, number>()
    fc.assert(
      fc.property(services, optedInFacts, (service, facts) => {
        const before = JSON.stringify(service)
        const made = plan({ service, facts })
        reasons.set(made.reason, (reasons.get(made.reason) ?? 0) + 1)
        expect(JSON.stringify(service)).toBe(before)
        if (made.patch.length === 0) expect(JSON.stringify(made.service)).toBe(before)
        else holds(service, facts, made)
      }),
      { numRuns, seed },
    )
    process.stdout.write(`${JSON.stringify(Object.fromEntries(reasons))}\n`)
    expect(reasons.get('Accelerated') ?? 0).toBeGreaterThan(numRuns / 10)
  })
})

function holds(service: KubeObject, facts: Facts, made: Plan): void {
  // The patch gives the service of the plan, to a dry run as to a real one.
  const { newDocument } = jsonPatch.applyPatch(structuredClone(service), made.patch, true, false)
  expect(newDocument).toEqual(made.service)
  expect(JSON.stringify(plan({ service: structuredClone(service), facts }))).toBe(JSON.stringify(made))
  // Nothing else changes.
  for (const { path } of made.patch) expect({ path, is: isOurs(service, path) }).toEqual({ path, is: true })
  // A second pass finds nothing to do.
  for (const more of [{}, { previous: made.service }])
    expect(plan({ service: made.service, facts, ...more }).patch).toEqual([])
  // It comes back byte for byte.
  const draft = new Draft(made.service)
  const original = readOriginal(made.service)
  if (original !== undefined) restore(draft, original)
  expect(JSON.stringify(draft.object)).toBe(JSON.stringify(service))
}

/** Model locations, what an anchor owns, and our two annotations. */
function isOurs(service: KubeObject, path: string): boolean {
  if (/^\/metadata\/annotations\/warmgate\.dev~1(original|caches)$/.test(path)) return true
  if (path === '/metadata/annotations') return service.metadata.annotations === undefined
  const isModel = findModelLocations(service).locations.some(
    ({ pointer, model }) => path === pointer || (model.kind === 'storage' && path === model.pointer),
  )
  const isAdded = patchTargetsOf(service).some(({ pointer, allowedPaths, missingName }) =>
    missingName === undefined
      ? path.startsWith(pointer) && allowedPaths.test(path.slice(pointer.length))
      : `${pointer}/`.startsWith(`${path}/`),
  )
  return isModel || isAdded
}

describe('generated values', () => {
  let cluster: SharedCluster

  beforeAll(async () => {
    cluster = await joinTestCluster('property')
  })

  afterAll(() => cluster?.stop())

  test.each(versions)(
    'a part of the services of $kind $version is valid to an API server',
    async ({ services }) => {
      const sample = fc.sample(services, { numRuns: 60, seed })
      const answers = await Promise.all(sample.map((service) => admit(cluster.client, service)))
      const count = (wanted: Answer) => answers.filter((answer) => answer === wanted).length
      const said = { taken: count('taken'), refused: count('refused'), invalid: count('invalid') }
      process.stdout.write(`${JSON.stringify(said)}\n`)
      // Rules about several fields together, e.g. Kubernetes' validation of pods, are not generated.
      expect(said.taken + said.refused).toBeGreaterThan(sample.length / 15)
    },
  )
})

type Answer = 'taken' | 'refused' | 'invalid'

/** Invalid to the schema, or refused for what it means by one of KServe's webhooks. */
async function admit(client: KubeClient, service: KubeObject): Promise<Answer> {
  try {
    const here = { ...service, metadata: { ...service.metadata, namespace: 'default' } }
    await client.create(resourceOf(here), here, { dryRun: true })
    return 'taken'
  } catch (error) {
    return /admission webhook/.test((error as Error).message) ? 'refused' : 'invalid'
  }
}
