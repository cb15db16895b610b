import { sourceAnnotation } from '../values/keys.ts'
import type { KubeObject } from '../values/object.ts'
import { asWarmWhenBound, type CacheIdentity, dataset } from './dataset.ts'
import type { Source } from './source.ts'

const scheme = 'dataset'

/**
 * The source of a cache that refers to a path of a Dataset in another namespace. It needs no credentials:
 * that Dataset reads with its own.
 */
export function referenceTo({ namespace, name }: { namespace: string; name: string }, path: string): Source {
  const uri = [`${scheme}://${namespace}/${name}`, ...(path === '' ? [] : [path])].join('/')
  return { uri, scheme, credentials: { kind: 'anonymous' }, endpoint: {}, options: {} }
}

export function isReferenceTo(source: Pick<Source, 'scheme'>): boolean {
  return source.scheme === scheme
}

/** Whether Warmgate created a Dataset as a reference to another one. */
export function isReference({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[sourceAnnotation]?.startsWith(`${scheme}://`) === true
}

/**
 * The only object of a reference. Fluid creates its Runtime (a ThinRuntime without a profile), mounts the
 * path of the mount point as the root of the volume, and supports no DataLoad for it. Source: fluid
 * pkg/ddc/thin/referencedataset.
 */
export function reference(cache: CacheIdentity): KubeObject {
  return asWarmWhenBound(dataset(cache, { mountPoint: cache.uri, options: {}, encryptOptions: [] }, []))
}
