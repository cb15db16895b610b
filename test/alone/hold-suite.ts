import { expect } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { gateCondition, hasGate, hasSchedulingGate, isHeld } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { until } from '../cluster/until.ts'
import { isTrue, podsOf } from '../integration/await.ts'
import { service, sklearn } from '../integration/services.ts'
import type { BareCluster } from '../warmgate/test-cluster.ts'
import { type HoldEnd, service as name } from './ends.ts'

/** Held services, one in each namespace, and assertions about the end of their holds. */
export class HoldSuite {
  readonly #bare: BareCluster
  /** The pods that were held, by namespace. */
  readonly #held = new Map<string, KubeObject>()

  constructor(bare: BareCluster) {
    this.#bare = bare
  }

  /** Creates a service, and waits for its held pod. */
  async hold(ns: string): Promise<void> {
    const { client } = this.#bare
    const object = service(ns, name, sklearn(`s3://models/${ns}`))
    const admitted = await client.create(resources.inferenceService, object)
    expect(cacheNames(admitted)).toHaveLength(1)
    const isCoveredByParent = (pod: KubeObject) => gateCondition(pod)?.status === 'False'
    this.#held.set(
      ns,
      await until(`a held pod in ${ns}`, async () =>
        (await podsOf(client, ns, name)).find(isCoveredByParent),
      ),
    )
  }

  heldPod(ns: string): KubeObject {
    const pod = this.#held.get(ns)
    if (pod === undefined) throw new Error(`nothing was held in ${ns}`)
    return pod
  }

  /** The current pod. */
  async podNow(ns: string): Promise<KubeObject | undefined> {
    const before = this.heldPod(ns)
    const { name: podName = '', uid } = before.metadata
    const pod = await this.#bare.client.get(resources.pod, { namespace: ns, name: podName })
    return pod?.metadata.uid === uid ? pod : undefined
  }

  async event(ns: string, kind: string, reason: string): Promise<KubeObject> {
    return await until(`an Event ${reason} on the ${kind} of ${ns}`, async () => {
      const { items } = await this.#bare.client.list(resources.event, { namespace: ns })
      const uid = kind === 'Pod' ? this.heldPod(ns).metadata.uid : undefined
      return items.find(
        (found) =>
          stringAt(found, 'reason') === reason &&
          stringAt(found, 'regarding', 'kind') === kind &&
          (uid === undefined || stringAt(found, 'regarding', 'uid') === uid),
      )
    })
  }

  async expectEnd({ name: ns, outcome }: Pick<HoldEnd, 'name' | 'outcome'>): Promise<void> {
    switch (outcome.kind) {
      case 'released':
        return await this.expectRelease(ns, outcome)
      case 'reverted':
        return await this.expectRevert(ns)
      case 'kept':
        return await this.expectKept(ns, outcome.reason)
      case 'gone':
        await until(
          `the end of the pod in ${ns}`,
          async () => (await this.podNow(ns)) === undefined || undefined,
        )
    }
  }

  /** If KServe replaces the pod, it may be deleted before the test reads it; its Event remains. */
  async expectRelease(ns: string, { reason, type }: { reason: string; type: string }): Promise<void> {
    expect(stringAt(await this.event(ns, 'Pod', reason), 'type')).toBe(type)
    const pod = await until(`a pod that serves in ${ns}`, async () => {
      const now = await this.podNow(ns)
      return now === undefined || isTrue(now, 'Ready') ? { now } : undefined
    })
    if (pod.now === undefined) return
    expect(gateCondition(pod.now)).toMatchObject({ status: 'True', reason })
    expect(hasSchedulingGate(pod.now)).toBe(false)
  }

  async expectRevert(ns: string): Promise<void> {
    expect(stringAt(await this.event(ns, 'Pod', 'Reverted'), 'type')).toBe('Warning')
    expect(stringAt(await this.event(ns, 'InferenceService', 'Reverted'), 'type')).toBe('Warning')
    const after = await this.#bare.client.get(resources.inferenceService, { namespace: ns, name })
    expect(stringAt(after, 'spec', 'predictor', 'model', 'storageUri')).toMatch(/^(s3|oss):/)
    const pods = () => podsOf(this.#bare.client, ns, name)
    const next = await until(`a pod with a storage initializer in ${ns}`, async () =>
      (await pods()).find(
        (pod) => isTrue(pod, 'Ready') && listAt(pod, 'spec', 'initContainers').length === 1,
      ),
    )
    expect(hasGate(next)).toBe(false)
  }

  async expectKept(ns: string, reason: string): Promise<void> {
    await until(`the reason ${reason} on the pod of ${ns}`, async () => {
      const pod = await this.podNow(ns)
      return (pod !== undefined && isHeld(pod) && gateCondition(pod)?.reason === reason) || undefined
    })
  }
}
