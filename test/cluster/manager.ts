import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { createServing } from '../../src/tls/serving.ts'
import { type JsonObject, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import type { Parts } from './control-plane.ts'
import { freePorts } from './ports.ts'
import type { ProgramName } from './upstreams.ts'

/** The namespace of KServe's managers and their configuration. */
export const kserveNamespace = 'kserve'

/**
 * One of KServe's managers, outside of the cluster: its webhooks are at a URL where its manifests have a
 * Service.
 */
export interface Manager {
  program: ProgramName
  port: number
  /** The clientConfig of a webhook at this manager, instead of the Service. */
  clientConfig(path: string): JsonObject
}

/** A manager's address, which its manifests need before it runs. */
export async function planManager({ access }: Parts, program: ProgramName): Promise<Manager> {
  const [port = 0] = await freePorts(1)
  const caBundle = Buffer.from(access.authority.cert).toString('base64')
  const clientConfig = (path: string) => ({ url: `https://127.0.0.1:${port}${path}`, caBundle })
  return { program, port, clientConfig }
}

/** Runs the manager and waits for its webhook server. */
export async function startManager(parts: Parts, { program, port }: Manager): Promise<void> {
  const { processes, binaries } = parts
  const flags = [`--webhook-port=${port}`, '--metrics-addr=0', '--health-probe-addr=0']
  const env = {
    KUBECONFIG: parts.kubeconfig('kserve'),
    POD_NAMESPACE: kserveNamespace,
    TMPDIR: await certify(parts, program),
  }
  processes.start({ name: program, file: binaries.path(program), args: flags, env })
  await processes.until(`webhook server of ${program}`, () => handshake(port))
}

/** @returns the temporary folder in which the managers search their certificate; they have no flag for it. */
async function certify({ folder, access }: Parts, program: ProgramName): Promise<string> {
  const temporary = join(folder, program)
  const certificates = join(temporary, 'k8s-webhook-server/serving-certs')
  const pair = await createServing({
    authority: access.authority,
    names: { service: program, namespace: kserveNamespace, extra: ['127.0.0.1'] },
    nowMs: Date.now(),
  })
  await mkdir(certificates, { recursive: true })
  await writeFile(join(certificates, 'tls.crt'), pair.cert)
  await writeFile(join(certificates, 'tls.key'), pair.key, { mode: 0o600 })
  return temporary
}

async function handshake(port: number): Promise<true> {
  const { promise, resolve, reject } = Promise.withResolvers<true>()
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => resolve(true))
  socket.on('error', reject)
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}

/** Webhook configurations as KServe's manifests have them, but for the address. */
export function calling(manager: Manager, configurations: KubeObject[]): KubeObject[] {
  return configurations.map((configuration) => ({
    ...configuration,
    webhooks: listAt(configuration, 'webhooks').map((webhook) => ({
      ...(webhook as JsonObject),
      clientConfig: manager.clientConfig(stringAt(webhook, 'clientConfig', 'service', 'path') ?? ''),
    })),
  }))
}
