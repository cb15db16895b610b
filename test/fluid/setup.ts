import { type Json, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import type { RuntimeKind } from './kinds.ts'

export type Setup =
  /** Fluid reports it in a NotReady condition. */
  | { kind: 'failed'; message: string }
  /** The runtime's pods cannot start, and Fluid reports nothing. */
  | { kind: 'stuck' }
  | { kind: 'ready' }

export interface SecretKey {
  name: string
  key: string
}

// A volume's name has 63 characters, and Alluxio's chart calls one after the Secret.
const volumeNameLength = 63

/** The keys of Secrets that the runtime's pods mount, and without which they do not start. */
export function secretKeys(dataset: KubeObject): SecretKey[] {
  const mounts = listAt(dataset, 'spec', 'mounts')
  const options = mounts.flatMap((mount) => listAt(mount, 'encryptOptions'))
  return [...listAt(dataset, 'spec', 'sharedEncryptOptions'), ...options].map((option) => ({
    name: stringAt(option, 'valueFrom', 'secretKeyRef', 'name') ?? '',
    key: stringAt(option, 'valueFrom', 'secretKeyRef', 'key') ?? '',
  }))
}

/**
 * How the setup of a Dataset on a runtime turns out. `hasKey` says whether the Dataset's namespace has the
 * Secret with that key. Source: pkg/ddc/jindocache/transform.go, pkg/ddc/alluxio/transform_volumes.go.
 */
export function setup(dataset: KubeObject, kind: RuntimeKind, hasKey: (wanted: SecretKey) => boolean): Setup {
  const keys = secretKeys(dataset)
  const message = mountProblem(dataset, kind) ?? secretProblem(keys, kind)
  if (message !== undefined) return { kind: 'failed', message }
  return keys.every(hasKey) ? { kind: 'ready' } : { kind: 'stuck' }
}

function mountProblem(dataset: KubeObject, kind: RuntimeKind): string | undefined {
  const shared = objectAt(dataset, 'spec', 'sharedOptions')
  for (const mount of listAt(dataset, 'spec', 'mounts')) {
    const problem = whyUnmountable(mount, { ...shared, ...objectAt(mount, 'options') }, kind)
    if (problem !== undefined) return problem
  }
  return undefined
}

function whyUnmountable(mount: Json, options: { [key: string]: unknown }, kind: RuntimeKind) {
  const mountPoint = stringAt(mount, 'mountPoint') ?? ''
  const scheme = /^([a-z0-9]+):\/\//.exec(mountPoint)?.[1] ?? ''
  if (kind.type === 'jindo' && scheme === 'oss' && !options['fs.oss.endpoint'])
    return 'oss endpoint can not be null, please check <fs.oss.endpoint> option'
  // The engine's own words are its image's; these are ours.
  if (!kind.schemes.includes(scheme)) return `fail to mount ${mountPoint}: no file system for ${scheme}://`
  return undefined
}

function secretProblem(keys: SecretKey[], kind: RuntimeKind): string | undefined {
  if (kind.type !== 'alluxio') return undefined
  const volumes = keys.map(({ name }) => `alluxio-mount-secret-${name}`)
  const refused = volumes.find((volume) => volume.includes('.') || volume.length > volumeNameLength)
  return refused === undefined
    ? undefined
    : `failed to install chart: spec.template.spec.volumes[0].name: Invalid value: "${refused}"`
}
