// A mutating webhook as an engineer would write it with Pepr: a capability, and Pepr's own runtime, which compares the
// object before and after the actions. It does what Warmgate does for the benchmark's reviews: it points the model at a
// cache, adds GPUs and two annotations, and gives pods a readiness gate and a toleration. It decides on nothing else.
//
// Argument: the port to listen on. Pepr reads the certificate and its path from the environment.
import pepr from 'pepr'

const { Capability, PeprModule, RegisterKind, a } = pepr

const claim = 'bloom-0123456789'
const gpu = 'nvidia.com/gpu'

class InferenceService extends a.GenericKind {}
RegisterKind(InferenceService, {
  group: 'serving.kserve.io',
  version: 'v1beta1',
  kind: 'InferenceService',
  plural: 'inferenceservices',
})

const accelerate = new Capability({
  name: 'accelerate',
  description: 'Points models at caches',
  namespaces: ['models'],
})

accelerate
  .When(InferenceService)
  .IsCreatedOrUpdated()
  .Mutate(function acceleratedService(request) {
    const [container] = request.Raw.spec.predictor.containers ?? []
    const uri = container && rewriteUri(container)
    if (uri === undefined) return
    for (const list of ['limits', 'requests'])
      container.resources = { ...container.resources, [list]: { ...container.resources?.[list], [gpu]: '1' } }
    const record = JSON.stringify({ locations: { predictor: { uri, cache: claim } } })
    request.SetAnnotation('warmgate.dev/original', record).SetAnnotation('warmgate.dev/caches', claim)
  })

accelerate
  .When(a.Pod)
  .IsCreated()
  .Mutate(function heldPod(request) {
    const { spec } = request.Raw
    spec.readinessGates = [...(spec.readinessGates ?? []), { conditionType: 'warmgate.dev/cache-warm' }]
    spec.tolerations = [...(spec.tolerations ?? []), { key: gpu, operator: 'Exists', effect: 'NoSchedule' }]
  })

/** Points the model of a container at the cache. Returns the URI that was there, if it was another one. */
function rewriteUri({ env = [] }) {
  const variable = env.find(({ name }) => name === 'STORAGE_URI')
  if (variable === undefined || variable.value.startsWith('pvc://')) return undefined
  const { value } = variable
  variable.value = `pvc://${claim}`
  return value
}

const module = {
  description: 'The peer of a benchmark',
  pepr: { uuid: 'bench', onError: 'ignore', webhookTimeout: 10, alwaysIgnore: { namespaces: [] } },
}
new PeprModule(module, [accelerate], { deferStart: true }).start(Number(process.argv[2]))
