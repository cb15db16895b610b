import type { Policy } from '../../policy/policy.ts'
import { stringAt } from '../../values/object.ts'
import { formatSize, parseSizeBytes } from '../../values/size.ts'
import { check, orOk, warning } from './check.ts'
import { policiesOf } from './facts.ts'

/** A tier without paths is an emptyDir: the node needs this much ephemeral storage for each worker. */
export const storage = check('storage', ['nodes', 'policies'], ({ nodes, policies }) => {
  const sizes = nodes.map(
    (node) => parseSizeBytes(stringAt(node, 'status', 'allocatable', 'ephemeral-storage') ?? '') ?? 0,
  )
  const largest = Math.max(0, ...sizes)
  const read = policiesOf(policies)
  const findings = read.map((policy) => {
    const needed = tierBytes(policy)
    const fitting = sizes.filter((bytes) => bytes >= needed).length
    if (needed === 0 || fitting >= Math.min(policy.spec.cache.replicas, nodes.length)) return undefined
    return warning(
      `a worker of policy ${policy.name} needs ${formatSize(needed)} of ephemeral storage, which ${fitting} of ${nodes.length} nodes have (at most ${formatSize(largest)})`,
      'lower tieredStore[].quota, or name a disk in tieredStore[].path',
    )
  })
  return orOk(findings, `every worker fits: nodes have up to ${formatSize(largest)}`)
})

/** The bytes that one worker keeps in emptyDirs. */
function tierBytes({ spec }: Policy): number {
  const tiers = spec.cache.tieredStore.filter(
    ({ medium, path, paths, volumeType }) =>
      medium !== 'MEM' && (volumeType === 'emptyDir' || (path === undefined && paths === undefined)),
  )
  return tiers.reduce((sum, { quota }) => sum + (parseSizeBytes(quota) ?? 0), 0)
}
