import fc from 'fast-check'
import jsonPatch from 'fast-json-patch'
import { expect, test, vi } from 'vitest'
import { isCacheName } from '../../src/fluid/name.ts'
import { servingContainers } from '../../src/kserve/container.ts'
import { requestsDevices } from '../../src/kserve/devices.ts'
import { llmBases } from '../../src/kserve/llm-config.ts'
import { findModelLocations } from '../../src/kserve/location.ts'
import { readService } from '../../src/kserve/service-view.ts'
import { Draft, pointer } from '../../src/plan/draft.ts'
import type { Facts } from '../../src/plan/facts.ts'
import { afterKserve, fakeFacts } from '../../src/plan/plan.fake.ts'
import { type Plan, plan, settled, siblingsOf } from '../../src/plan/plan.ts'
import { cpuFormatOf } from '../../src/plan/service/gpu.ts'
import { type Original, readOriginal, restore } from '../../src/plan/service/original.ts'
import { subjectOf, writeSigned } from '../../src/plan/service/record.ts'
import { isSettled } from '../../src/plan/service/settled.ts'
import { accelerationLabel } from '../../src/values/keys.ts'
import { getIn, isObject, type Json, type JsonObject, type KubeObject } from '../../src/values/object.ts'
import { anyServices, forgedServices, optedInFacts, services } from './arbitraries.ts'

/*
 * What must hold for every service and every cluster. A failure prints its seed and path: give them to
 * `check` to see it again.
 */

const numRuns = Number(process.env.WARMGATE_PROPERTY_RUNS ?? 100)

vi.setConfig({ testTimeout: 40_000 + 100 * numRuns })

const optedIn = fakeFacts()

function check(service: fc.Arbitrary<KubeObject>, holds: (service: KubeObject, facts: Facts) => void): void {
  fc.assert(fc.property(service, optedInFacts, holds), { numRuns })
}

const anything = fc.oneof(
  { weight: 4, arbitrary: services },
  { weight: 2, arbitrary: forgedServices },
  { weight: 1, arbitrary: anyServices },
)

/** Filters accelerated services. */
function accelerated(service: KubeObject, facts: Facts): Plan {
  const made = plan({ service, facts })
  fc.pre(made.reason === 'Accelerated')
  return made
}

test('the generators make services of both kinds: a property that none would break says nothing', () => {
  const plans = fc
    .sample(fc.tuple(services, optedInFacts), { numRuns: 400, seed: 1 })
    .map(([service, facts]) => plan({ service, facts }))
  const reasons = plans.map(({ reason }) => reason)
  expect(plans.filter(({ service }) => givenDevices(service).length > 0).length).toBeGreaterThan(10)
  expect(reasons.filter((reason) => reason === 'Accelerated').length).toBeGreaterThan(60)
  expect(new Set(reasons).size).toBeGreaterThan(8)
  const existing = fc
    .sample(fc.tuple(services, optedInFacts), { numRuns: 300, seed: 1 })
    .filter(([service, facts]) => plan({ service, facts }).message.includes('served from existing Dataset '))
  expect(existing.length).toBeGreaterThan(5)
  expect(plans.flatMap(referencesOf).length).toBeGreaterThan(3)
})

/** Created objects that refer to another namespace. */
function referencesOf(made: Plan): KubeObject[] {
  return siblingsOf(made).filter((object) => JSON.stringify(object.spec).includes('dataset://'))
}

test('nothing refers to another namespace but what a policy lends, to an account that may get it', () => {
  check(anything, (service, facts) => {
    const refused = {
      ...facts,
      sharedDatasets: facts.sharedDatasets.map((each) => ({ ...each, allowedAccounts: [] })),
    }
    const { service: admitted } = plan({ service, facts })
    for (const previous of [undefined, service, admitted]) {
      const before = previous === undefined ? {} : { previous }
      for (const sent of [service, admitted])
        expect(referencesOf(plan({ service: sent, facts: refused, ...before }))).toEqual([])
      for (const { kind, spec } of referencesOf(plan({ service, facts, ...before }))) {
        expect(kind).toBe('Dataset')
        expect(getIn(spec, 'accessModes')).toEqual(['ReadOnlyMany'])
        expect(getIn(spec, 'mounts', 0, 'mountPoint')).toMatch(/^dataset:\/\/shared\/all(\/[^/]+)*$/)
      }
    }
  })
})

test('it never throws, and never touches what it was given', () => {
  check(anything, (service, facts) => {
    const before = structuredClone(service)
    plan({ service, facts })
    plan({ service, previous: service, facts })
    expect(service).toEqual(before)
  })
})

test('the patch, applied, gives the service of the plan', () => {
  check(anything, (service, facts) => {
    const made = plan({ service, facts })
    const { newDocument } = jsonPatch.applyPatch(structuredClone(service), made.patch, true, false)
    expect(newDocument).toEqual(made.service)
  })
})

test('so does the patch of an update, whatever the old object was', () => {
  fc.assert(
    fc.property(anything, anything, optedInFacts, optedInFacts, (first, second, facts, later) => {
      const { service: previous } = plan({ service: first, facts })
      const records = { ...second.metadata.annotations, ...previous.metadata.annotations }
      const merged = { ...second, metadata: { ...second.metadata, annotations: records } }
      for (const service of [second, merged]) {
        const made = plan({ service, previous, facts: later })
        const { newDocument } = jsonPatch.applyPatch(structuredClone(service), made.patch, true, false)
        expect(newDocument).toEqual(made.service)
      }
    }),
    { numRuns },
  )
})

test('the same answer for the same question, byte for byte', () => {
  check(anything, (service, facts) => {
    const answer = () => JSON.stringify(plan({ service: structuredClone(service), facts }))
    expect(answer()).toBe(answer())
  })
})

/** Parts that its configuration may give an LLMInferenceService. */
const everyPart = { template: {}, worker: {}, prefill: { template: {}, worker: {} } }

test('only the model’s URI, its container’s resources and our annotations change', () => {
  check(fc.oneof(services, forgedServices), (service, facts) => {
    const made = plan({ service, facts })
    const { locations } = findModelLocations(service)
    const containers = servingContainers(service, [everyPart])
    const resources = containers.map(({ pointer }) => `${pointer}/resources`)
    const missingName = containers.filter((container) => container.missingName !== undefined)
    const annotations = new Draft(service).get('/metadata/annotations')
    for (const { path, op } of made.patch) {
      const isOurs = /^\/metadata\/annotations\/warmgate\.dev~1(original|caches)$/.test(path)
      const isMap = path === '/metadata/annotations' && (op === 'remove' || annotations === undefined)
      const isModel = locations.some(
        ({ pointer, model }) => path === pointer || (model.kind === 'storage' && path === model.pointer),
      )
      const isResource = resources.some((pointer) => path.startsWith(pointer))
      // A created container includes the list that contains it.
      const isMade = op === 'add' && missingName.some(({ pointer }) => `${pointer}/`.startsWith(`${path}/`))
      const isAllowed = isOurs || isMap || isModel || isResource || isMade
      expect({ path, isAllowed }).toEqual({ path, isAllowed: true })
    }
  })
})

test('a service that is not accelerated stays byte for byte as it was', () => {
  check(fc.oneof(services, anyServices), (service, facts) => {
    const made = plan({ service, facts })
    fc.pre(made.reason !== 'Accelerated')
    expect(made.patch).toEqual([])
    expect(JSON.stringify(made.service)).toBe(JSON.stringify(service))
    expect(siblingsOf(made)).toEqual([])
  })
})

test('the record is enough to restore exactly what came in', () => {
  check(services, (service, facts) => {
    const made = accelerated(service, facts)
    const draft = new Draft(made.service)
    const original = readOriginal(made.service)
    if (original !== undefined) restore(draft, original)
    expect(draft.object).toEqual(service)
  })
})

test('opting out restores exactly the original, in any cluster', () => {
  fc.assert(
    fc.property(services, optedInFacts, optedInFacts, (service, facts, later) => {
      const { service: admitted } = accelerated(service, facts)
      const optedOut = (object: KubeObject): KubeObject => ({
        ...object,
        metadata: {
          ...object.metadata,
          annotations: { ...object.metadata.annotations, 'warmgate.dev/acceleration': 'disabled' },
        },
      })
      for (const sent of [optedOut(admitted), optedOut(service)]) {
        const made = plan({ service: sent, previous: admitted, facts: later })
        expect(made.service).toEqual(optedOut(service))
      }
    }),
    { numRuns },
  )
})

test('a second pass changes nothing, as a creation and as an update', () => {
  check(fc.oneof(services, forgedServices), (service, facts) => {
    const { service: admitted } = plan({ service, facts })
    for (const more of [{}, { previous: admitted }]) {
      const again = plan({ service: admitted, facts, ...more })
      expect(again.patch).toEqual([])
      expect(again.service).toEqual(admitted)
    }
  })
})

test('an accelerated service stays so, in any cluster', () => {
  fc.assert(
    fc.property(services, optedInFacts, optedInFacts, (service, facts, later) => {
      const { service: admitted } = accelerated(service, facts)
      const kept = plan({ service: admitted, previous: admitted, facts: later })
      expect(kept).toMatchObject({ reason: 'AlreadyCached', patch: [] })
      // The manifest as its user has it, applied once more.
      expect(plan({ service, previous: admitted, facts: later }).service).toEqual(admitted)
    }),
    { numRuns },
  )
})

/** A path of an object, among those below `start`: the numbers choose a field at each level. */
function somePath(value: Json | undefined, start: string, choices: number[]): string {
  let [here, path] = [value, start]
  for (const choice of choices) {
    const fields = typeof here === 'object' && here !== null ? Object.keys(here) : []
    const field = fields[choice % fields.length]
    if (field === undefined) break
    here = (here as JsonObject)[field]
    path += pointer(field)
  }
  return path
}

type Tampering = (service: KubeObject, facts: Facts) => KubeObject

function withDraft(edit: (draft: Draft) => void): Tampering {
  return (service) => {
    const draft = new Draft(service)
    edit(draft)
    return draft.object
  }
}

/** Changes a record, and signs it again: as an older version, or a bug, might have written it. */
function withRecord(change: (original: Original) => Original): Tampering {
  return (service, { signer, namespace }) => {
    const original = readOriginal(service)
    if (original === undefined) return service
    const draft = new Draft(service)
    writeSigned(draft, change(original), { signer, subject: subjectOf(service, namespace), kept: [] })
    return draft.object
  }
}

const choices = fc.array(fc.nat(50), { minLength: 1, maxLength: 6 })
const places = fc.constantFrom('spec', 'metadata')
const words = fc.constantFrom<Json>('pvc://llama-0123456789', 's3://models/x', '', '1', {}, [], null)
const deviceWords = fc.constantFrom<Json>(
  {},
  null,
  { limits: { 'nvidia.com/gpu': '1' } },
  { claims: [{ name: 'x' }] },
)

/** What may have become of an admitted service without admission. */
const tamperings: fc.Arbitrary<Tampering> = fc.oneof(
  fc.constant<Tampering>((service) => service),
  fc.constant<Tampering>(afterKserve),
  fc.tuple(places, choices).map(
    ([place, path]) =>
      (service: KubeObject) =>
        withDraft((draft) => draft.remove(somePath(service[place], pointer(place), path)))(service, optedIn),
  ),
  fc.tuple(places, choices, words).map(
    ([place, path, word]) =>
      (service: KubeObject) =>
        withDraft((draft) => {
          const at = somePath(service[place], pointer(place), path)
          if (at !== '/metadata' && at !== '/metadata/annotations' && at !== '/metadata/labels')
            draft.set(at, word)
        })(service, optedIn),
  ),
  deviceWords.map((word) => withDraft((draft) => draft.set('/spec/predictor/model/resources', word))),
  deviceWords.map((word) =>
    withDraft((draft) => draft.set('/spec/transformer', { containers: [{ name: 'x', resources: word }] })),
  ),
  fc.constant(
    withRecord((original) => ({
      ...original,
      locations: Object.fromEntries(Object.entries(original.locations).toReversed()),
    })),
  ),
  words.map((word) =>
    withRecord((original) => ({
      ...original,
      additions: {
        ...original.additions,
        predictor: { added: { '/resources/limits/example.com~1npu': word }, made: ['/resources'] },
      },
    })),
  ),
  fc.constant(
    withRecord((original) => ({
      ...original,
      additions: { predictor: { added: {}, made: ['/resources', '/resources/limits'] } },
    })),
  ),
  fc.constant(
    withRecord((original) => ({
      ...original,
      locations: { ...original.locations, canary: { uri: 's3://a/b', cache: 'llama-0123456789' } },
    })),
  ),
)

test('an update that is settled is one that its plan leaves as it is, in whatever cluster', () => {
  let settledUpdates = 0
  fc.assert(
    fc.property(
      fc.oneof({ weight: 5, arbitrary: services }, { weight: 1, arbitrary: forgedServices }),
      fc.array(tamperings, { maxLength: 2 }),
      optedInFacts,
      optedInFacts,
      fc.constantFrom<Facts['namespaceLabels']>(
        optedIn.namespaceLabels,
        {},
        { [accelerationLabel]: 'disabled' },
      ),
      (service, tampered, facts, otherFacts, namespaceLabels) => {
        const { service: admitted } = plan({ service, facts })
        const previous = tampered.reduce((each, tamper) => tamper(each, facts), admitted)
        const sent = { ...previous, metadata: { ...previous.metadata, finalizers: ['kserve'] } }
        const later = { ...otherFacts, namespaceLabels }
        if (!isSettled({ service: sent, previous }, later)) return
        settledUpdates += 1
        const { decision, reason, patch, warnings } = plan({ service: sent, previous, facts: later })
        const { message: _, ...ruling } = settled
        expect({ decision, reason, patch, warnings }).toEqual(ruling)
      },
    ),
    { numRuns: 10 * numRuns },
  )
  expect(settledUpdates).toBeGreaterThan(numRuns / 4)
})

test('in any order with KServe’s defaulter it ends in the same object', () => {
  check(services, (service, facts) => {
    const mine = (object: KubeObject, previous?: KubeObject): KubeObject =>
      plan({ service: object, facts, ...(previous === undefined ? {} : { previous }) }).service
    accelerated(service, facts)
    fc.pre(hasPlainResources(service))
    const waitForSync = afterKserve(mine(service))
    expect(mine(waitForSync)).toEqual(waitForSync)
    expect(mine(afterKserve(waitForSync))).toEqual(waitForSync)
    expect(mine(waitForSync, waitForSync)).toEqual(waitForSync)
    expect(mine(afterKserve(mine(service, waitForSync)), waitForSync)).toEqual(waitForSync)
    expect(mine(afterKserve(service)).spec).toEqual(waitForSync.spec)
  })
})

/** KServe refuses a service whose resources are something else; null means none. */
function hasPlainResources(service: KubeObject): boolean {
  const containers = servingContainers(service).map(({ value }) => value)
  const isMap = (value: Json | undefined) => value === undefined || isObject(value)
  return containers.every(
    ({ resources }) =>
      isMap(resources) && isMap(getIn(resources, 'limits')) && isMap(getIn(resources, 'requests')),
  )
}

test('no object is created for a team’s Dataset, whatever a record claims', () => {
  check(fc.oneof(services, forgedServices), (service, facts) => {
    for (const more of [{}, { previous: service }]) {
      const names = siblingsOf(plan({ service, facts, ...more })).map(({ metadata }) => metadata.name)
      for (const { metadata } of facts.datasets) expect(names).not.toContain(metadata.name)
    }
  })
})

/** The pointers of the devices that were added to containers. */
function givenDevices(service: KubeObject): string[][] {
  const additions = Object.values(readOriginal(service)?.additions ?? {})
  const devices = additions.map(({ added }) =>
    Object.keys(added).filter((path) => path.startsWith('/resources/')),
  )
  return devices.filter((paths) => paths.length > 0)
}

test('no GPU for a service that requests a device, runs on a CPU, or has a configuration that requests one', () => {
  check(services, (service, facts) => {
    const given = givenDevices(plan({ service, facts }).service)
    if (given.length === 0) return
    expect(requestsDevices(service.spec)).toBe(false)
    expect(cpuFormatOf(readService(service, facts))).toBeUndefined()
    expect(requestsDevices(llmBases(service, facts.llmConfigs))).toBe(false)
    expect(service.metadata.annotations?.['warmgate.dev/gpu']).not.toBe('disabled')
    // As requests and as limits alike, the whole of them.
    for (const paths of given) {
      const names = (list: string) => paths.filter((path) => path.startsWith(`/resources/${list}/`)).length
      expect(names('limits')).toBe(names('requests'))
    }
  })
})

test('the name of a cache is one that Fluid takes', () => {
  check(services, (service, facts) => {
    for (const { name } of plan({ service, facts }).caches) {
      expect(name).toMatch(/^[a-z]([-a-z0-9]*[a-z0-9])?$/)
      expect(name.length).toBeLessThanOrEqual(37)
      expect(isCacheName(name)).toBe(true)
    }
  })
})
