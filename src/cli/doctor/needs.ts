import { runtimes } from '../../fluid/runtimes.ts'

/**
 * One rule of a role: the resources of a group, e.g. `pods/status`, and the only names that it allows, if
 * any.
 */
export interface Need {
  group: string
  resources: readonly string[]
  verbs: readonly string[]
  name?: string
}

const follow = ['list', 'watch']
const fluidPlurals = Object.values(runtimes).map(({ plural }) => plural)

/**
 * What Warmgate's account needs in all namespaces. needs.test.ts compares it with manifests/base/rbac.yaml.
 */
export const neededEverywhere: readonly Need[] = [
  { group: '', resources: ['namespaces'], verbs: ['get', ...follow] },
  { group: '', resources: ['persistentvolumeclaims', 'persistentvolumes'], verbs: follow },
  { group: '', resources: ['pods'], verbs: [...follow, 'patch', 'delete'] },
  { group: '', resources: ['pods/status'], verbs: ['patch'] },
  { group: 'batch', resources: ['jobs'], verbs: follow },
  { group: '', resources: ['secrets', 'serviceaccounts'], verbs: ['get'] },
  { group: 'events.k8s.io', resources: ['events'], verbs: ['create'] },
  {
    group: 'serving.kserve.io',
    resources: ['inferenceservices', 'llminferenceservices'],
    verbs: ['get', ...follow, 'patch', 'update'],
  },
  { group: '', resources: ['configmaps'], verbs: follow, name: 'inferenceservice-config' },
  {
    group: 'serving.kserve.io',
    resources: [
      'localmodelcaches',
      'localmodelnamespacecaches',
      'clusterstoragecontainers',
      'servingruntimes',
      'clusterservingruntimes',
      'llminferenceserviceconfigs',
    ],
    verbs: follow,
  },
  { group: 'warmgate.dev', resources: ['accelerationpolicies'], verbs: follow },
  { group: 'warmgate.dev', resources: ['accelerationpolicies/status'], verbs: ['patch'] },
  { group: 'data.fluid.io', resources: ['datasets'], verbs: ['get', ...follow, 'create', 'patch', 'delete'] },
  {
    group: 'data.fluid.io',
    resources: ['dataloads', ...fluidPlurals],
    verbs: [...follow, 'create', 'patch', 'delete'],
  },
  { group: 'authorization.k8s.io', resources: ['subjectaccessreviews'], verbs: ['create'] },
  { group: 'authorization.k8s.io', resources: ['selfsubjectaccessreviews'], verbs: ['create'] },
  {
    group: 'admissionregistration.k8s.io',
    resources: ['mutatingwebhookconfigurations'],
    verbs: ['get', 'update'],
    name: 'acceleration.warmgate.dev',
  },
]

/** The rights that Warmgate's account needs in its own namespace. */
export const neededInOwnNamespace: readonly Need[] = [
  { group: '', resources: ['secrets'], verbs: ['create'] },
  { group: '', resources: ['secrets'], verbs: ['get', 'update'], name: 'warmgate-certificates' },
  { group: '', resources: ['secrets'], verbs: ['get', 'update'], name: 'warmgate-record-keys' },
  { group: 'coordination.k8s.io', resources: ['leases'], verbs: ['create'] },
  { group: 'coordination.k8s.io', resources: ['leases'], verbs: ['get', 'update'], name: 'warmgate' },
]
