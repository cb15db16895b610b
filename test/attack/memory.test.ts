import { Agent } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import type { KubeObject } from '../../src/values/object.ts'
import { until } from '../cluster/until.ts'
import { type AttackedWarmgate, attack, post as send } from './warmgate.ts'

const MiB = 2 ** 20
const services = '/apis/serving.kserve.io/v1beta1/inferenceservices'

function namespaces(names: { [name: string]: object }) {
  const entries = Object.entries(names)
  return {
    count: entries.length,
    make: (index: number) => {
      const [name = '', labels = {}] = entries[index] ?? []
      return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, uid: name, labels } } as KubeObject
    },
  }
}

const enabled = { 'warmgate.dev/acceleration': 'enabled' }

/** A service of so many bytes, most of them in small pieces, as parsed objects are most expensive. */
function service(name: string, namespace: string, bytes: number): KubeObject {
  const env = Array.from({ length: Math.floor(bytes / 32) }, (_, index) => ({
    name: `N${index}`,
    value: 'xxxx',
  }))
  return {
    metadata: {
      name,
      namespace,
      uid: name,
      resourceVersion: '1',
      generation: 1,
      managedFields: [{ a: env.slice(0, 20) }],
    },
    spec: {
      predictor: { model: { modelFormat: { name: 'sklearn' }, storageUri: `s3://models/${name}`, env } },
    },
  } as unknown as KubeObject
}

function pod(index: number, namespace: string): KubeObject {
  const name = `pod-${index}`
  return {
    metadata: {
      name,
      namespace,
      uid: name,
      resourceVersion: '1',
      labels: { 'serving.kserve.io/inferenceservice': `service-${index % 5_000}`, component: 'predictor' },
      annotations: { 'example.com/checksum': 'x'.repeat(1_000) },
      managedFields: [{ manager: 'x'.repeat(2_000) }],
    },
    spec: {
      containers: [{ name: 'kserve-container', args: ['x'.repeat(2_000)], volumeMounts: [] }],
      initContainers: [
        { name: 'storage-initializer', args: [`s3://models/${index % 5_000}`, '/mnt/models'] },
      ],
      volumes: Array.from({ length: 5 }, (_, volume) => ({ name: `v${volume}`, emptyDir: {} })),
    },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  } as unknown as KubeObject
}

const head =
  '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",'
const objects = `${head}"object":[${'{},'.repeat((6.9 * MiB) / 3)}0]}}`
const review = `${head}"resource":{"resource":"pods"},"object":{"kind":"Pod","metadata":{"name":"p"}}}}`

const agent = new Agent({ rejectUnauthorized: false, maxSockets: 20 })

const post = (attacked: AttackedWarmgate, body: string) => send(attacked, agent, body)

function connectIdle({ port }: AttackedWarmgate): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => resolve(socket))
    socket.once('error', reject)
  })
}

test('dense reviews, idle connections and huge services of closed namespaces leave a replica under 300 MiB', async () => {
  const attacked = await attack({
    '/api/v1/namespaces': namespaces({ closed: {} }),
    [services]: { count: 12, make: (index) => service(`huge-${index}`, 'closed', 1.2 * MiB) },
  })
  try {
    const idle = await Promise.all(Array.from({ length: 400 }, () => connectIdle(attacked)))
    for (const socket of idle) socket.on('error', () => {}).resume()
    expect(await post(attacked, objects)).toBe(413)
    const statuses = await Promise.allSettled(Array.from({ length: 10 }, () => post(attacked, objects)))
    for (const outcome of statuses)
      if (outcome.status === 'fulfilled') expect([413, 429]).toContain(outcome.value)
    expect(await post(attacked, review)).toBe(200)
    expect(await attacked.peakMiB()).toBeLessThan(300)
    await until('end of idle connections', async () => idle.every(({ destroyed }) => destroyed) || undefined)
  } finally {
    await attacked.stop()
  }
})

test('5,000 services and 20,000 pods leave a third of 512 MiB', async () => {
  const names = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`team-${index}`, enabled]))
  const attacked = await attack({
    '/api/v1/namespaces': namespaces(names),
    [services]: {
      count: 5_000,
      make: (index) => service(`service-${index}`, `team-${index % 50}`, 6 * 1_024),
    },
    '/api/v1/pods': { count: 20_000, make: (index) => pod(index, `team-${index % 50}`) },
  })
  try {
    expect(await post(attacked, review)).toBe(200)
    // The leader reconciles all of them.
    await until('leader', async () => {
      const metrics = await (await fetch(`${attacked.warmgate.metricsUrl}/metrics`)).text()
      return metrics.includes('\nwarmgate_leader 1\n') || undefined
    })
    expect(await attacked.peakMiB()).toBeLessThan(340)
  } finally {
    await attacked.stop()
  }
})
