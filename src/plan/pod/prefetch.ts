import { isLoadable } from '../../fluid/name.ts'
import type { ClaimMount } from '../../kserve/pod.ts'
import type { PolicySpec } from '../../policy/schema.ts'
import type { KubeObject } from '../../values/object.ts'
import { type Draft, pointer } from '../draft.ts'
import { refusesInjection } from './injection.ts'
import type { SidecarState } from './sidecar.ts'

/* Fluid's file prefetcher (1.0.6 and later): fluid v1.0.8 pkg/webhook/plugins/fileprefetcher. */

const webhookLabel = 'fuse.serverful.fluid.io/inject'
const prefix = 'file-prefetcher.fluid.io'

/** Servers that map safetensors files into memory. Such random reads are slow over FUSE. */
const mappedFormats = ['huggingface', 'vllm']

/** Whether a policy reads the model of a service ahead into the page cache of its node. */
export function prefetches({ cache: { prefetch } }: PolicySpec, modelFormats: string[]): boolean {
  if (prefetch !== 'Auto') return prefetch === 'Always'
  return modelFormats.some((format) => mappedFormats.includes(format.toLowerCase()))
}

/**
 * Makes Fluid's webhook add a container that reads the files of these caches one after another, so that the
 * server finds them in the page cache. Nothing waits for it. The webhook refuses a pod if a Dataset is not
 * Bound. Skips a pod that already has labels or annotations for this, and a path that Fluid's file list
 * cannot hold.
 */
export function addPrefetch(
  draft: Draft,
  mounts: ClaimMount[],
  { sidecar, image }: { sidecar: SidecarState; image?: string | undefined },
): void {
  const files = mounts
    .filter(({ path }) => path === '' || isLoadable(path))
    .map(({ claim, path }) => `pvc://${claim}/${path === '' ? '' : `${path}/`}**`)
  if (files.length === 0 || optsOut(draft.object)) return
  // A pod with a sidecar goes through Fluid's webhook anyway.
  if (sidecar === 'none') draft.set(pointer('metadata', 'labels', webhookLabel), 'true')
  const annotation = (name: string, value: string) =>
    draft.set(pointer('metadata', 'annotations', `${prefix}/${name}`), value)
  annotation('inject', 'true')
  annotation('async-prefetch', 'true')
  annotation('file-list', [...new Set(files)].join(';'))
  if (image !== undefined) annotation('image', image)
}

function optsOut(pod: KubeObject): boolean {
  const { labels = {}, annotations = {} } = pod.metadata
  const isNamed = Object.keys(annotations).some((name) => name.startsWith(`${prefix}/`))
  return isNamed || webhookLabel in labels || refusesInjection(pod)
}
