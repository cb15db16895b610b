import { readdirSync } from 'node:fs'
import { type TestContext, test } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { type KubeObject, stringAt } from '../../src/values/object.ts'
import { applyAll, readObjects } from '../cluster/objects.ts'
import { FluidFixture } from '../fluid/fixture.ts'

const { dataset, persistentVolumeClaim } = resources

// Fluid 1.0.8 has no CacheRuntime; a reference needs what it refers to, and beyond.ts has that.
const files = readdirSync(new URL('../../src/fluid/golden/', import.meta.url))
  .filter((file) => !/^(cache|reference)-/.test(file))
  .toSorted()

/**
 * Applies the golden file of each runtime and kind of source to Fluid's own controllers. warmgate.ts tests
 * loads.
 */
export function golden(theClient: () => KubeClient): void {
  test.concurrent.for(files)('%s is Bound by Fluid itself', async (file, context) => {
    const fixture = await open(file, theClient(), context)
    const caches = (await readObjects(`src/fluid/golden/${file}`))
      .filter(({ kind }) => kind !== 'DataLoad')
      .map((object) => within(fixture, object))
    await applyAll(fixture.client, [...needsOf(caches, fixture.namespace), ...caches])
    const name = caches[0]?.metadata.name ?? ''
    await fixture.expectPhase(dataset, name, 'Bound')
    await fixture.expectPhase(persistentVolumeClaim, name, 'Bound')
  })
}

async function open(file: string, client: KubeClient, context: TestContext): Promise<FluidFixture> {
  return await FluidFixture.open(client, file.replace('.yaml', ''), context)
}

/**
 * In its own namespace, and without Warmgate's label, because Warmgate would delete caches that no service
 * uses.
 */
function within({ namespace }: FluidFixture, { metadata, ...object }: KubeObject): KubeObject {
  const text = JSON.stringify({ ...object, metadata: { name: metadata.name, namespace } })
  return JSON.parse(text.replaceAll('"namespace":"models"', `"namespace":"${namespace}"`)) as KubeObject
}

/** The Secrets and claims that caches name, and the ConfigMap of a Hadoop client. */
function needsOf(caches: KubeObject[], namespace: string): KubeObject[] {
  const secrets = new Map<string, { [key: string]: string }>()
  for (const [, name = '', key = ''] of JSON.stringify(caches).matchAll(keyReference))
    secrets.set(name, { ...secrets.get(name), [key]: 'value' })
  const made: KubeObject[] = [...secrets].map(([name, stringData]) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    stringData,
  }))
  const claims = [
    ...new Set([...JSON.stringify(caches).matchAll(claimReference)].map(([, name = '']) => name)),
  ]
  made.push(...claims.flatMap((name) => boundClaim(name, namespace)))
  const hadoop = caches.map((cache) => stringAt(cache, 'spec', 'hadoopConfig')).find(Boolean)
  if (hadoop === undefined) return made
  const data = { 'hdfs-site.xml': '<configuration/>' }
  return [...made, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: hadoop, namespace }, data }]
}

/** A claim of a namespace, and the volume that it is bound to. */
function boundClaim(name: string, namespace: string): KubeObject[] {
  const shared = { accessModes: ['ReadWriteMany'], storageClassName: '' }
  const volumeName = `${namespace}-${name}`
  const claimRef = { kind: 'PersistentVolumeClaim', name, namespace }
  const hostPath = { path: '/mnt/models' }
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: volumeName },
      spec: { ...shared, capacity: { storage: '1Gi' }, claimRef, hostPath },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace },
      spec: { ...shared, volumeName, resources: { requests: { storage: '1Gi' } } },
    },
  ]
}

const claimReference = /"mountPoint":"pvc:\/\/([^/"]+)/g
const keyReference = /"secretKeyRef":\{"name":"([^"]+)","key":"([^"]+)"\}/g
