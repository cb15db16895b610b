import { isDeepStrictEqual } from 'node:util'
import { customisedBy, storageContainerFor } from '../../kserve/custom-download.ts'
import { podSourceOf } from '../../kserve/location.ts'
import type { ModelLocation } from '../../kserve/model-location.ts'
import type { ServiceView } from '../../kserve/service-view.ts'
import type { Policy } from '../../policy/policy.ts'
import { quoted } from '../../values/text.ts'
import type { Facts } from '../facts.ts'
import type { RefusalReason } from '../reasons.ts'
import { type ReadSource, readSource, type SourceRefused } from './source.ts'

interface Context {
  service: ServiceView
  policy: Policy
  facts: Facts
}

const readOnlyAnnotation = 'storage.kserve.io/readonly'

/** What a download gives a service that a cache does not; undefined where a cache can take its place. */
export function downloadObstacle(
  location: ModelLocation,
  read: ReadSource,
  { service, policy, facts }: Context,
): { reason: RefusalReason; message: string } | undefined {
  if (isWritable(location, service)) return { reason: 'WritableModel', message: writes }
  if (service.kind === 'LLMInferenceService') return prefillObstacle(location, read, { policy, facts })
  const { rule } = read
  const found = customDownload(location, service, facts)
  if (found === undefined || rule.mirror !== '') return undefined
  // Who names the Secret for a source answers for how it is read, and not for what another program makes of it.
  const isAnswered =
    rule.credentials.secretName !== undefined && found.changes.every((each) => each.startsWith('env '))
  if (isAnswered) return undefined
  const what = `ClusterStorageContainer ${quoted(found.name)}`
  return { reason: 'CustomDownload', message: customisedBy(what, found.changes) }
}

const writes = `${readOnlyAnnotation} is "false": KServe gives the server a directory to write in, and a cache is read-only`

/** LLMInferenceServices have no such annotation: their models are always read-only. */
export function isWritable({ annotations }: ModelLocation, { kind }: Pick<ServiceView, 'kind'>): boolean {
  return kind === 'InferenceService' && annotations[readOnlyAnnotation] === 'false'
}

/** Of a list KServe looks at the first URI alone (pkg/controller/v1beta1/inferenceservice/components/predictor.go). */
function customDownload(location: ModelLocation, { locations }: ServiceView, { storageContainers }: Facts) {
  const first = location.group.endsWith('.storageUris')
    ? locations.find(({ group }) => group === location.group)
    : location
  return storageContainerFor(podSourceOf((first ?? location).model), storageContainers)
}

/** One cache serves prefill pods, too: what they would download by an account of their own must be the same. */
function prefillObstacle(
  location: ModelLocation,
  { source }: ReadSource,
  { policy, facts }: Pick<Context, 'policy' | 'facts'>,
): Pick<SourceRefused, 'reason' | 'message'> | undefined {
  const { serviceAccount, prefillAccount } = location
  if (prefillAccount === undefined) return undefined
  const prefill = readSource({ ...location, serviceAccount: prefillAccount }, policy, facts)
  if (!prefill.ok) return prefill
  const rights = ({ endpoint, credentials }: ReadSource['source']) => [
    endpoint,
    credentials.kind === 'anonymous',
  ]
  if (isDeepStrictEqual(rights(source), rights(prefill.source))) return undefined
  const message = `prefill reads the model as service account ${quoted(prefillAccount)}, from another store or with other rights than ${quoted(serviceAccount)}`
  return { reason: 'CredentialsMissing', message }
}
