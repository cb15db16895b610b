import { expect, type TestContext, test } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { type JsonObject, objectAt, stringAt } from '../../src/values/object.ts'
import { nodeResource } from '../cluster/nodes.ts'
import { bind } from '../fluid/contract.ts'
import { FluidFixture } from '../fluid/fixture.ts'
import { juicefs, runtimeKinds } from '../fluid/kinds.ts'
import { cronJob, thinRuntime } from './kinds.ts'

const { dataset, dataLoad, job, persistentVolumeClaim } = resources
const readOnly: JsonObject = { accessModes: ['ReadOnlyMany'] }
const mended = { metadata: { annotations: { mended: 'true' } }, spec: { nodeSelector: null } }

/** Behavior of Fluid that Warmgate depends on, and that the stand-in does not have. */
export function beyond(theClient: () => KubeClient): void {
  const open = (namespace: string, context: TestContext) => FluidFixture.open(theClient(), namespace, context)

  test.concurrent.for(runtimeKinds)(
    '$type: nodes that hold a cache are labelled, and new workers, until it goes',
    async (kind, context) => {
      const fixture = await open(`${kind.type}-locality`, context)
      await bind(fixture, 'model', kind)
      const labelSelector = `fluid.io/s-${fixture.namespace}-model=true`
      const held = async () => (await fixture.client.list(nodeResource, { labelSelector })).items.length
      await fixture.eventually(held).toBe(2)
      const key = { namespace: fixture.namespace, name: 'model' }
      await fixture.client.patch(kind.resource, key, { type: 'merge', body: { spec: { replicas: 3 } } })
      await fixture.eventually(held).toBe(3)
      await fixture.delete(dataset, 'model')
      await fixture.expectGone(kind.resource, 'model')
      await fixture.eventually(held).toBe(0)
    },
  )

  test.concurrent('a DataLoad stays Failed after its Job failed', async (context) => {
    const fixture = await open('failing', context)
    await bind(fixture, 'model', juicefs)
    await fixture.dataLoad('load', 'model', { nodeSelector: { never: 'true' } })
    await fixture.eventually(() => fixture.find(job, 'load-loader-job')).toBeDefined()
    const body = { spec: { activeDeadlineSeconds: 1 } }
    await fixture.client.patch(
      job,
      { namespace: 'failing', name: 'load-loader-job' },
      { type: 'merge', body },
    )
    await fixture.expectPhase(dataLoad, 'load', 'Failed')
    expect((await fixture.get(dataLoad, 'load')).status).toMatchObject({
      conditions: [{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' }],
    })
    // Fluid reconciles it again after the cause of the failure was removed.
    await fixture.client.patch(
      dataLoad,
      { namespace: 'failing', name: 'load' },
      { type: 'merge', body: mended },
    )
    await fixture.expectSaid('load', 'DataOperationFailed', 2)
    expect(stringAt(await fixture.get(dataLoad, 'load'), 'status', 'phase')).toBe('Failed')
  })

  test.concurrent('a Cron DataLoad is a CronJob, Complete after each of its runs, and no more so in the next', async (context) => {
    const fixture = await open('cron', context)
    await bind(fixture, 'model', juicefs)
    await fixture.dataLoad('load', 'model', { policy: 'Cron', schedule: '* * * * *' })
    await fixture.eventually(() => fixture.find(cronJob, 'load-loader-job')).toBeDefined()
    expect(objectAt(await fixture.get(cronJob, 'load-loader-job'), 'spec')).toMatchObject({
      schedule: '* * * * *',
    })
    const phase = async () => stringAt(await fixture.get(dataLoad, 'load'), 'status', 'phase')
    const polled = { timeout: 180_000, interval: 500 }
    await fixture.eventually(phase).toBe('Executing')
    await context.expect.poll(phase, polled).toBe('Complete')
    // The CronJob may know of its success a little later.
    const times = async () => objectAt(await fixture.get(dataLoad, 'load'), 'status')
    await fixture.eventually(times).toMatchObject({
      lastScheduleTime: expect.any(String),
      lastSuccessfulTime: expect.any(String),
    })
    // Its Jobs are named by their time.
    expect(await fixture.find(job, 'load-loader-job')).toBeUndefined()
    // Fluid may not look before a short run is over: the next one finds no node, and goes on.
    const template = { spec: { template: { spec: { nodeSelector: { never: 'true' } } } } }
    await fixture.client.patch(
      cronJob,
      { namespace: 'cron', name: 'load-loader-job' },
      { type: 'merge', body: { spec: { jobTemplate: template } } },
    )
    await context.expect.poll(phase, polled).not.toBe('Complete')
  })

  test.concurrent('a Thin cache with a profile is Bound; it knows no DataLoad', async (context) => {
    const fixture = await open('thin', context)
    await fixture.dataset('model', { mountPoint: 'nfs://server/models' }, readOnly)
    await fixture.create(thinRuntime, 'model', { spec: { profileName: 'nfs' } })
    await fixture.expectPhase(dataset, 'model', 'Bound')
    await fixture.expectPhase(persistentVolumeClaim, 'model', 'Bound')
    expect(objectAt(await fixture.get(dataset, 'model'), 'status')).toMatchObject({
      runtimes: [{ type: 'thin' }],
    })
    await fixture.dataLoad('load', 'model')
    await fixture.expectPhase(dataLoad, 'load', 'Failed')
  })

  test.concurrent('a Dataset may refer to that of another namespace, which then stays', async (context) => {
    const owner = await open('owner', context)
    const tenant = await open('tenant', context)
    await bind(owner, 'model', juicefs)
    await tenant.dataset('borrowed', { mountPoint: 'dataset://owner/model' }, readOnly)
    // Fluid creates the Runtime.
    await tenant.eventually(() => tenant.find(thinRuntime, 'borrowed')).toBeDefined()
    await tenant.expectPhase(dataset, 'borrowed', 'Bound')
    await tenant.expectPhase(persistentVolumeClaim, 'borrowed', 'Bound')
    await owner.delete(dataset, 'model')
    await owner.expectSaid('model', 'ErrorDeleteDataset')
    await tenant.delete(dataset, 'borrowed')
    await tenant.expectGone(dataset, 'borrowed')
    await owner.expectGone(dataset, 'model')
  })
}
