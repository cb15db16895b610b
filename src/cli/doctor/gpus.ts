import { isAccelerator } from '../../kserve/devices.ts'
import { limits } from '../../values/limits.ts'
import { isObject, type KubeObject, someObject } from '../../values/object.ts'
import { check, fullName, orOk, some, warning } from './check.ts'
import { devicesOf } from './facts.ts'

/** Devices that services request and no node has. */
export const gpus = check('GPUs', ['nodes', 'models'], ({ nodes, models }) => {
  const present = new Set(nodes.flatMap(devicesOf))
  const wanted = Map.groupBy(
    models.flatMap((service) => resourcesOf(service).map((resource) => ({ resource, service }))),
    ({ resource }) => resource,
  )
  const findings = [...wanted]
    .filter(([resource]) => !present.has(resource))
    .map(([resource, users]) =>
      warning(
        `no node has ${resource}, which ${some(users.map(({ service }) => fullName(service)))} asks for`,
        'install its device plugin, add such a node, or correct the name: their pods stay Pending',
      ),
    )
  const found = [...present].map(
    (resource) => `${resource} on ${nodes.filter((node) => devicesOf(node).includes(resource)).length} nodes`,
  )
  return orOk(findings, found.join(', ') || 'no node has any, and no service asks for one')
})

function resourcesOf(service: KubeObject): string[] {
  const names = new Set<string>()
  someObject(
    service.spec,
    (object) => {
      for (const list of [object.limits, object.requests])
        if (isObject(list)) for (const name of Object.keys(list)) if (isAccelerator(name)) names.add(name)
      return false
    },
    limits.values,
  )
  return [...names]
}
