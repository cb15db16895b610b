import { limits } from '../../values/limits.ts'
import { listAt, stringAt } from '../../values/object.ts'
import { type Draft, pointer } from '../draft.ts'
import { refusesInjection } from './injection.ts'

/**
 * Lets a running container see its cache again after the FUSE client of its node was restarted: Fluid's CSI driver
 * then mounts the cache a second time, and only containers with this propagation see that mount. Fluid's webhook sets
 * the same in the pods that it handles (fluid v1.0.8 pkg/webhook/plugins/mountpropagationinjector). A value that the
 * user set stays, and so does a pod that opts out of Fluid's injection.
 */
export function addPropagation(draft: Draft, claims: readonly string[]): void {
  const volumes = new Set(
    listAt(draft.object, 'spec', 'volumes')
      .slice(0, limits.volumes)
      .filter((volume) => claims.includes(stringAt(volume, 'persistentVolumeClaim', 'claimName') ?? ''))
      .map((volume) => stringAt(volume, 'name')),
  )
  if (volumes.size === 0 || refusesInjection(draft.object)) return
  for (const [index, container] of listAt(draft.object, 'spec', 'containers')
    .slice(0, limits.containers)
    .entries())
    for (const [at, mount] of listAt(container, 'volumeMounts').slice(0, limits.volumes).entries())
      if (volumes.has(stringAt(mount, 'name')) && stringAt(mount, 'mountPropagation') === undefined)
        draft.set(
          pointer('spec', 'containers', `${index}`, 'volumeMounts', `${at}`, 'mountPropagation'),
          'HostToContainer',
        )
}
