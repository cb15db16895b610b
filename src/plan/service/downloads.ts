import { isDeepStrictEqual } from 'node:util'
import { customisedBy, storageContainerFor } from '../../kserve/custom-download.ts'
import { podSourceOf } from '../../kserve/location.ts'
import type { ModelLocation } from '../../kserve/model-location.ts'
import { annotationObstacle } from '../../kserve/obstacle.ts'
import type { ServiceView } from '../../kserve/service-view.ts'
import type { Policy } from '../../policy/policy.ts'
import { quoted } from '../../values/text.ts'
import type { Facts } from '../facts.ts'
import type { RefusalReason } from '../reasons.ts'
import { isShared, type ReadSource, readSource, type SourceRefused } from './source.ts'

interface DownloadContext {
  service: ServiceView
  policy: Policy
  facts: Facts
}

/** Why a cache cannot replace a service's download; undefined if it can. */
export function downloadObstacle(
  location: ModelLocation,
  read: ReadSource,
  { service, policy, facts }: DownloadContext,
): { reason: RefusalReason; message: string } | undefined {
  if (service.kind === 'LLMInferenceService') return prefillObstacle(location, read, { policy, facts })
  const fromAnnotations = annotationObstacle(location.annotations)
  if (fromAnnotations !== undefined) return fromAnnotations
  const { rule } = read
  const found = customDownload(location, service, facts)
  if (found === undefined || rule.mirror !== '') return undefined
  // A rule with a Secret replaces customised environment variables, but not other changes of the download.
  const isAnswered =
    rule.credentials.secretName !== undefined && found.changes.every((each) => each.startsWith('env '))
  if (isAnswered) return undefined
  const what = `ClusterStorageContainer ${quoted(found.name)}`
  return { reason: 'CustomDownload', message: customisedBy(what, found.changes) }
}

/** Whether the service's own fields make a model unfit for a cache, regardless of the cluster. */
export function isUnfit({ obstacle, annotations }: ModelLocation, { kind }: ServiceView): boolean {
  return (
    obstacle !== undefined || (kind === 'InferenceService' && annotationObstacle(annotations) !== undefined)
  )
}

/**
 * KServe only checks the first URI of a list
 * (pkg/controller/v1beta1/inferenceservice/components/predictor.go).
 */
function customDownload(location: ModelLocation, { locations }: ServiceView, { storageContainers }: Facts) {
  const first = location.group.endsWith('.storageUris')
    ? locations.find(({ group }) => group === location.group)
    : location
  return storageContainerFor(podSourceOf((first ?? location).model), storageContainers)
}

/**
 * One cache also serves prefill pods: if they have their own account, its endpoint and rights must be the
 * same.
 */
function prefillObstacle(
  location: ModelLocation,
  { source, rule }: ReadSource,
  { policy, facts }: Pick<DownloadContext, 'policy' | 'facts'>,
): Pick<SourceRefused, 'reason' | 'message'> | undefined {
  const { serviceAccount, prefillAccount } = location
  // A Dataset that a policy shares has its own credentials.
  if (prefillAccount === undefined || isShared(rule, facts.namespace)) return undefined
  const prefill = readSource({ ...location, serviceAccount: prefillAccount }, policy, facts)
  if (!prefill.ok) return prefill
  const rights = ({ endpoint, credentials }: ReadSource['source']) => [
    endpoint,
    credentials.kind === 'anonymous',
  ]
  if (isDeepStrictEqual(rights(source), rights(prefill.source))) return undefined
  const [one, other] = [quoted(prefillAccount), quoted(serviceAccount)]
  return {
    reason: 'CredentialsMissing',
    message: `prefill reads as service account ${one}, from another store or with other rights than ${other}`,
  }
}
