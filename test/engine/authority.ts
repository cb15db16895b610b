import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createAuthority } from '../../src/tls/authority.ts'
import { createServing } from '../../src/tls/serving.ts'
import type { JsonObject, KubeObject } from '../../src/values/object.ts'
import type { Store, StoreTls } from './store.ts'

const run = promisify(execFile)
const file = 'truststore.p12'
const folder = '/etc/authority'

/** An authority that no program knows, and a certificate of it for the Service `store` of a namespace. */
export async function privateAuthority(
  namespace: string,
): Promise<{ authority: string; tls: StoreTls & { host: string } }> {
  const nowMs = Date.now()
  const authority = await createAuthority({ nowMs, validDays: 1 })
  const serving = await createServing({ authority, names: { service: 'store', namespace }, nowMs })
  return { authority: authority.cert, tls: { ...serving, host: `store.${namespace}.svc.cluster.local` } }
}

/** The Service of a store outside of the cluster: pods find it by a name, and its buckets have none. */
export function storeService(namespace: string, { link }: Store): KubeObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'store', namespace },
      spec: { clusterIP: 'None', ports: [{ name: 's3', port: 9000 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'store', namespace, labels: { 'kubernetes.io/service-name': 'store' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [link.address], conditions: { ready: true } }],
      ports: [{ name: 's3', port: 9000 }],
    },
  ]
}

/** A ConfigMap with an authority as Java reads it, made by the tool of every JDK. */
export async function truststoreMap(namespace: string, authority: string, work: string): Promise<KubeObject> {
  const [certificate, store] = [join(work, 'authority.pem'), join(work, file)]
  await writeFile(certificate, authority)
  const options = ['-noprompt', '-storetype', 'PKCS12', '-storepass', 'changeit', '-alias', 'store']
  await run('keytool', ['-importcert', '-file', certificate, '-keystore', store, ...options])
  const binaryData = { [file]: (await readFile(store)).toString('base64') }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'authority', namespace }, binaryData }
}

/** The template by which masters and workers trust that authority: docs/sources.md has it. */
export function trusting(): JsonObject {
  const options = [`trustStore=${folder}/${file}`, 'trustStorePassword=changeit']
  const env = { JAVA_TOOL_OPTIONS: options.map((each) => `-Djavax.net.ssl.${each}`).join(' ') }
  const part = { env, volumeMounts: [{ name: 'authority', mountPath: folder, readOnly: true }] }
  return { volumes: [{ name: 'authority', configMap: { name: 'authority' } }], master: part, worker: part }
}
