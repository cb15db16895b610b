import { listAt, stringAt } from '../../values/object.ts'
import { check, counted, failed, nameOf, ok, some, warning } from './check.ts'
import { modelNodes, policiesOf } from './facts.ts'

/** Source: fluid v1.0.8 charts/fluid/fluid/templates/csi. */
const [driver, daemonSet] = ['fuse.csi.fluid.io', 'csi-nodeplugin-fluid']

/** Pods read a cache by Fluid's CSI driver on their node, except with `cache.fuse: Sidecar`. */
export const csi = check('CSI', ['nodes', 'csiNodes', 'policies'], ({ nodes, csiNodes, policies }) => {
  const read = policiesOf(policies)
  if (read.length > 0 && read.every(({ spec }) => spec.cache.fuse === 'Sidecar'))
    return ok('no policy needs the driver: all have cache.fuse: Sidecar')
  const wanted = modelNodes(nodes)
  const driven = new Set(
    csiNodes
      .filter((each) => listAt(each, 'spec', 'drivers').some((entry) => stringAt(entry, 'name') === driver))
      .map(nameOf),
  )
  const missing = wanted.map(nameOf).filter((name) => !driven.has(name))
  if (wanted.length === 0) return warning('no node takes pods', 'add a node, or remove its taint')
  if (missing.length === 0) return ok(`${driver} is on ${counted(wanted.length, 'node')} that run models`)
  return failed(
    `${driver} is not on ${some(missing)}: pods with a cache do not start there`,
    `give Fluid's DaemonSet ${daemonSet} the tolerations and nodeSelector of these nodes`,
  )
})
