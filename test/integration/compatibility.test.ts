import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ManifestFacts } from '../../src/cli/manifest-facts.ts'
import { isRefusal } from '../../src/kube/errors.ts'
import { plan } from '../../src/plan/plan.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { applyPolicy } from './await.ts'
import { type Case, cases, modes, serviceOf } from './compatibility.ts'
import { namespace, suitePolicy } from './services.ts'
import { podsFrom, workloadsIn } from './workloads.ts'

/*
 * docs/compatibility.md, cell by cell: each service is created in a namespace that is opted in and in one
 * that is not, on a real API server with KServe's managers, and the workloads that KServe creates are
 * compared.
 */

const accelerated = 'compat-cached'
const plain = 'compat-plain'
const atOnce = 4
const document = '../../docs/compatibility.md'

interface Cell extends Case {
  name: string
  outcome: string
  here: Made
  there: Made
}

/** A service in one namespace: as admitted, or refused, and its workloads. */
interface Made {
  admitted: KubeObject | undefined
  workloads: KubeObject[]
}

let cluster: SharedCluster
const cells: Cell[] = []

/** Credentials in the service account, because Alluxio reads gs:// only with credentials. */
function googleAccess(namespace: string): KubeObject[] {
  const key = 'gcloud-application-credentials.json'
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'gcs', namespace }, stringData: { [key]: '{}' } },
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace },
      secrets: [{ name: 'gcs' }],
    },
  ]
}

beforeAll(async () => {
  cluster = await joinTestCluster('compat')
  await applyAll(cluster.client, [
    namespace(accelerated),
    namespace(plain, {}),
    ...[accelerated, plain].flatMap(googleAccess),
  ])
  await applyPolicy(cluster.client, suitePolicy('compat'))
  const all = cases().map((each, index) => ({ ...each, name: `c${index}` }))
  // A few at a time: the API server leaves a service unchanged if the webhook does not respond in time.
  for (let next = 0; next < all.length; next += atOnce)
    cells.push(...(await Promise.all(all.slice(next, next + atOnce).map(createCell))))
  await until(
    'workloads of every service',
    async () => {
      await observe()
      const missing = cells.filter((cell) => !isComplete(cell))
      if (missing.length === 0) return true
      throw new Error(missing.map(({ row, mode }) => `${row}, ${mode}`).join('; '))
    },
    { timeoutMs: 150_000 },
  )
})

afterAll(async () => {
  await cluster?.stop()
})

async function createCell(each: Case & { name: string }): Promise<Cell> {
  const service = serviceOf(each, each.name, accelerated)
  const objects = [service, ...googleAccess(accelerated)].map((object) => ({ object, place: each.row }))
  const facts = new ManifestFacts(objects).factsFor(service)
  const outcome = plan({ service, facts }).reason
  const [here, there] = await Promise.all([create(service), create(serviceOf(each, each.name, plain))])
  return {
    ...each,
    outcome,
    here: { admitted: here, workloads: [] },
    there: { admitted: there, workloads: [] },
  }
}

/** Undefined where KServe refuses it; any other error is this test's own. */
async function create(service: KubeObject): Promise<KubeObject | undefined> {
  try {
    return await cluster.client.create(resourceOf(service), service)
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

async function observe(): Promise<void> {
  for (const [side, where] of [
    ['here', accelerated],
    ['there', plain],
  ] as const) {
    const workloads = await workloadsIn(cluster.client, where)
    for (const cell of cells)
      cell[side].workloads = workloads.filter(({ metadata }) =>
        metadata.ownerReferences?.some(({ name }) => name === cell.name),
      )
  }
}

function isComplete({ outcome, here, there, workloads }: Cell): boolean {
  const isMade = (made: Made) => made.admitted === undefined || made.workloads.length === workloads
  return isMade(here) && (outcome === 'Accelerated' || isMade(there))
}

describe.each(cases().map(({ table, row, mode }, index) => ({ table, row, mode, index })))(
  '$table: $row, $mode',
  ({ index }) => {
    test('is accelerated, or as without Warmgate', async () => {
      const cell = cells[index]
      if (cell === undefined) throw new Error('the cell was not made')
      if (cell.outcome === 'Accelerated') await expectMounted(cell)
      else await expectUntouched(cell)
    })
  },
)

/** Every model comes from a claim of ours, and nothing is downloaded. */
async function expectMounted({ here, workloads, claims }: Cell): Promise<void> {
  const caches = cacheNames(here.admitted ?? { apiVersion: '', kind: '', metadata: {} })
  expect(here.workloads).toHaveLength(workloads)
  const pods = (await Promise.all(here.workloads.map((each) => podsFrom(cluster.client, each)))).flat()
  const init = pods.flatMap((pod) =>
    listAt(pod, 'spec', 'initContainers').map((each) => stringAt(each, 'name')),
  )
  expect(init).not.toContain('storage-initializer')
  const mounted = pods.flatMap((pod) =>
    listAt(pod, 'spec', 'volumes').map((each) => stringAt(each, 'persistentVolumeClaim', 'claimName')),
  )
  const ours = mounted.filter((name) => name !== undefined)
  expect(ours.length).toBeGreaterThanOrEqual(claims)
  expect([...new Set(ours)].toSorted()).toEqual(caches.toSorted())
}

async function expectUntouched({ here, there, workloads }: Cell): Promise<void> {
  expect(here.admitted === undefined).toBe(there.admitted === undefined)
  expect(here.admitted?.spec).toEqual(there.admitted?.spec)
  expect(cacheNames(here.admitted ?? { apiVersion: '', kind: '', metadata: {} })).toEqual([])
  expect(there.workloads).toHaveLength(there.admitted === undefined ? 0 : workloads)
  const text = (made: Made) =>
    made.workloads.map(({ spec }) => JSON.stringify(spec).replaceAll(accelerated, plain))
  expect(text(here)).toEqual(text(there))
}

test('the page says what came of it', async () => {
  const page = await readFile(new URL(document, import.meta.url), 'utf8')
  const written = (['locations', 'sources'] as const).reduce((text, table) => withTable(text, table), page)
  await expect(written).toMatchFileSnapshot(document)
})

function withTable(page: string, table: Case['table']): string {
  const [begin, end] = [`<!-- ${table} -->\n`, `<!-- end of ${table} -->`]
  const before = page.slice(0, page.indexOf(begin) + begin.length)
  return `${before}${tableOf(table)}\n${page.slice(page.indexOf(end))}`
}

function tableOf(table: Case['table']): string {
  const own = cells.filter((cell) => cell.table === table)
  const rows = [...new Set(own.map(({ row }) => row))].map((row) => [
    row,
    ...modes.map((mode) => {
      const cell = own.find((each) => each.row === row && each.mode === mode)
      return cell === undefined ? '' : wordsFor(cell)
    }),
  ])
  return [['', ...modes], ['---', '---', '---', '---'], ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n')
}

function wordsFor({ outcome, here, there }: Cell): string {
  if (outcome === 'Accelerated')
    return there.admitted === undefined ? 'cache; KServe alone refuses it' : 'cache'
  return here.admitted === undefined ? `${outcome}; KServe refuses it` : outcome
}
