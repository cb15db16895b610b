import { sourceAnnotation } from '../values/keys.ts'
import type { KubeObject } from '../values/object.ts'
import { asWarmWhenBound, type CacheIdentity, dataset } from './dataset.ts'
import type { Source } from './source.ts'

const scheme = 'dataset'

/**
 * What a cache reads that refers to a Dataset of another namespace, at a path of its volume. It has no credentials: those
 * of the Dataset are its own, and stay where they are.
 */
export function referenceTo({ namespace, name }: { namespace: string; name: string }, path: string): Source {
  const uri = [`${scheme}://${namespace}/${name}`, ...(path === '' ? [] : [path])].join('/')
  return { uri, scheme, credentials: { kind: 'anonymous' }, endpoint: {}, options: {} }
}

/** Whether a source is another Dataset. */
export function isReferenceTo(source: Pick<Source, 'scheme'>): boolean {
  return source.scheme === scheme
}

/** Whether a Dataset was made by Warmgate to refer to another. */
export function isReference({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[sourceAnnotation]?.startsWith(`${scheme}://`) === true
}

/**
 * All that is made of a reference. Fluid makes its Runtime itself, a ThinRuntime without a profile, shows the path behind
 * the mount point as the root of the volume, and has no DataLoad for it. Source: fluid pkg/ddc/thin/referencedataset.
 */
export function reference(cache: CacheIdentity): KubeObject {
  return asWarmWhenBound(dataset(cache, { mountPoint: cache.uri, options: {}, encryptOptions: [] }, []))
}
