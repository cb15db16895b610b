import { createHmac, createSecretKey } from 'node:crypto'
import { shippedKserveConfig } from '../kserve/config.ts'
import { frameworks } from '../kserve/inference-service.ts'
import type { SecretFact } from '../kserve/secret.ts'
import { type Policy, parsePolicy } from '../policy/policy.ts'
import {
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  type ObjectMeta,
  objectAt,
} from '../values/object.ts'
import { Draft } from './draft.ts'
import type { Facts } from './facts.ts'
import type { Original } from './service/original.ts'
import { type RecordSigner, subjectOf, writeSigned } from './service/record.ts'

const key = createSecretKey('test', 'utf8')

/** Signs with a fixed key. */
export const fakeSigner: RecordSigner = {
  sign: (statement) => createHmac('sha256', key).update(statement).digest('base64url'),
  verify: (statement, signature) => fakeSigner.sign(statement) === signature,
}

/**
 * Facts for tests: the namespace is opted in, Jindo and Alluxio are installed, the account has no Secrets.
 */
export function fakeFacts(more: Partial<Facts> = {}): Facts {
  return {
    namespace: 'models',
    namespaceLabels: { 'warmgate.dev/acceleration': 'enabled' },
    policies: [],
    installed: ['datasets', 'dataloads', 'jindoruntimes', 'alluxioruntimes'],
    kserve: { ...shippedKserveConfig, deploymentMode: 'Standard' },
    serviceAccounts: { default: { name: 'default', secrets: [], annotations: {} } },
    secrets: {},
    servingRuntimes: { own: [], cluster: [] },
    llmConfigs: { own: [], shared: [] },
    storageContainers: [],
    localModels: [],
    foreignClaims: new Set(),
    foreignVolumes: new Set(),
    datasets: [],
    runtimes: [],
    sharedDatasets: [],
    unread: new Set(),
    mayFill: true,
    signer: fakeSigner,
    ...more,
  }
}

export function fakeService(predictor: JsonObject, metadata: ObjectMeta = {}): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'llama', namespace: 'models', ...metadata },
    spec: { predictor },
  }
}

/** A service with the record that admission would write on it. */
export function recorded(service: KubeObject, original: Partial<Original>): KubeObject {
  const draft = new Draft(service)
  const whole = { locations: {}, additions: {}, madeAnnotations: false, ...original }
  writeSigned(draft, whole, { signer: fakeSigner, subject: subjectOf(service, 'models'), kept: [] })
  return draft.object
}

export function fakePolicy(name: string, spec: Json = {}): Policy {
  const head = { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy' }
  const parsed = parsePolicy({ ...head, metadata: { name }, spec })
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return parsed.policy
}

export const s3Secret: SecretFact = {
  name: 's3-access',
  keys: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
  annotations: {},
  options: {},
  entries: {},
}

/**
 * A service after KServe's defaulter: it moves every framework to the field `model`, adds empty structs of
 * Go, and gives a single container a name and resources.
 * Source: kserve pkg/apis/serving/v1beta1/inference_service_defaults.go.
 */
export function afterKserve(service: KubeObject): KubeObject {
  const predictor = { ...objectAt(service, 'spec', 'predictor') }
  const framework = frameworks.find((name) => isObject(predictor[name]))
  if (framework !== undefined) {
    const { [framework]: value, ...rest } = predictor
    const model = { modelFormat: { name: framework }, name: '', resources: {}, ...(value as JsonObject) }
    return withPredictor(service, { ...rest, model }, { modelFormat: framework })
  }
  const [container, ...others] = listAt(predictor, 'containers')
  if (predictor.model !== undefined || !isObject(container) || others.length > 0) return service
  const lists = ['limits', 'requests'].map((list) => {
    const defaults = { cpu: '1', memory: '2Gi' }
    return [list, { ...defaults, ...objectAt(container, 'resources', list) }]
  })
  const resources = { ...objectAt(container, 'resources'), ...Object.fromEntries(lists) }
  return withPredictor(service, {
    ...predictor,
    containers: [{ ...container, name: 'kserve-container', resources }],
  })
}

function withPredictor(service: KubeObject, predictor: JsonObject, annotations = {}): KubeObject {
  const metadata = {
    ...service.metadata,
    annotations: { ...service.metadata.annotations, ...annotations },
  }
  return { ...service, metadata, spec: { ...objectAt(service, 'spec'), predictor } }
}
