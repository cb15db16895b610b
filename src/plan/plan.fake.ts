import { shippedKserveConfig } from '../kserve/config.ts'
import type { SecretFact } from '../kserve/secret.ts'
import { type Policy, parsePolicy } from '../policy/policy.ts'
import type { Json, JsonObject, KubeObject, ObjectMeta } from '../values/object.ts'
import type { Facts } from './facts.ts'

/** A cluster for tests: the namespace opted in, every runtime there, a service account without Secrets. */
export function fakeFacts(more: Partial<Facts> = {}): Facts {
  return {
    namespace: 'models',
    namespaceLabels: { 'warmgate.dev/acceleration': 'enabled' },
    policies: [],
    installed: ['datasets', 'dataloads', 'jindoruntimes', 'alluxioruntimes'],
    kserve: shippedKserveConfig,
    serviceAccount: { name: 'default', secrets: [], annotations: {} },
    secrets: {},
    foreignClaims: new Set(),
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
}
