import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { answerSafely, applyToCopy } from '../admission/answer.ts'
import { createPodHandler } from '../admission/pod.ts'
import {
  type AdmissionAnswer,
  type AdmissionHandler,
  parseReview,
  reviewResponse,
} from '../admission/review.ts'
import { createServiceHandler } from '../admission/service.ts'
import { JsonWeight } from '../admission/weight.ts'
import { Mirror } from '../cluster/mirror.ts'
import { Planner } from '../cluster/planner.ts'
import { RecordKeys } from '../cluster/record-keys.ts'
import { serviceLabel, sourceUriAnnotation } from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import { resources } from '../kube/resources.ts'
import { stillClient } from '../kube/still-client.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { systemClock } from '../values/clock.ts'
import { accelerationLabel } from '../values/keys.ts'
import { type JsonObject, type KubeObject, stringAt } from '../values/object.ts'

// By then V8 has compiled what a review runs, and has seen its objects. More rounds gain little.
const defaultRounds = 10
const budgetMs = 10_000

/**
 * Runs the handlers of reviews, before a replica is ready, on sample services and their pods in a cluster that exists
 * only in memory: the code of a quiet cluster's webhook is always cold, and the first reviews would pay for it. It
 * counts no metric, logs nothing, and asks the API server nothing. Resolves with the answers of the last round.
 */
export async function warmUp(rounds = defaultRounds): Promise<AdmissionAnswer[]> {
  const [clock, logger, metrics] = [systemClock, createLogger('silent'), createMetrics()]
  const client = inMemoryCluster()
  const signer = new RecordKeys({ client, clock, logger, namespace: 'warmgate-system' })
  await signer.refresh()
  const mirror = new Mirror({ client, clock, logger, llmVersion: 'v1alpha2', signer })
  mirror.start()
  try {
    await mirror.waitForSync(AbortSignal.timeout(budgetMs))
    const planner = new Planner({ mirror, client, clock })
    const sources = { mirror, planner, metrics, clock }
    const handlers = { service: createServiceHandler(sources), pod: createPodHandler(sources) }
    const run = async (handler: AdmissionHandler, request: Requested) => {
      const parsed = parseReview(readBack(request))
      if (!parsed.ok) throw new Error(parsed.message)
      const answer = await answerSafely(parsed.request, { handler, budgetMs, clock, logger, metrics })
      JSON.stringify(reviewResponse(parsed.request, answer))
      // Let requests, probes and the real mirror go on in between.
      await setImmediate()
      return answer
    }
    let answers: AdmissionAnswer[] = []
    for (let round = 0; round < rounds; round++) {
      answers = []
      for (const { service, podOf } of samples) {
        const created = await run(handlers.service, { operation: 'CREATE', object: service })
        const admitted = withPatch(service, created)
        answers.push(
          created,
          await run(handlers.service, { operation: 'UPDATE', object: admitted, oldObject: admitted }),
          await run(handlers.service, { operation: 'UPDATE', object: service, oldObject: admitted }),
          await run(handlers.pod, { operation: 'CREATE', object: podOf(admitted) }),
        )
      }
    }
    return answers
  } finally {
    await mirror.stop()
  }
}

interface Requested {
  operation: 'CREATE' | 'UPDATE'
  object: KubeObject
  oldObject?: KubeObject
}

/** A review as it is read from its bytes. */
function readBack(request: Requested): unknown {
  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'warm-up', namespace, resource: { resource: 'other' }, ...request },
  }
  const bytes = Buffer.from(JSON.stringify(review))
  new JsonWeight().push(bytes)
  return JSON.parse(bytes.toString())
}

function withPatch(object: KubeObject, answer: AdmissionAnswer): KubeObject {
  return (answer.kind === 'allow' && applyToCopy(object, answer.patch ?? [])) || object
}

const namespace = 'models'

const deployed = { 'serving.kserve.io/deploymentMode': 'Standard' }
const resourceLimits = { limits: { cpu: '4', memory: '16Gi' } }
const modelUri = 's3://models/llama'

/** A service and the pod that KServe makes of it, before KServe's own webhook has run. */
interface Sample {
  service: KubeObject
  podOf: (admitted: KubeObject) => KubeObject
}

const samples: Sample[] = [
  {
    service: inferenceService(deployed, {
      model: {
        modelFormat: { name: 'huggingface' },
        storageUri: modelUri,
        args: ['--max-model-len=4096'],
        env: [{ name: 'LOG_LEVEL', value: 'info' }],
        resources: resourceLimits,
      },
    }),
    podOf: (admitted) =>
      predictorPod(admitted, stringAt(admitted, 'spec', 'predictor', 'model', 'storageUri')),
  },
  {
    service: inferenceService(
      { ...deployed, 'serving.kserve.io/storageSecretName': 'access' },
      { containers: [{ name: 'server', image: 'server', env: [{ name: 'STORAGE_URI', value: modelUri }] }] },
    ),
    podOf: (admitted) =>
      predictorPod(admitted, stringAt(admitted, 'spec', 'predictor', 'containers', 0, 'env', 0, 'value')),
  },
  {
    service: {
      apiVersion: 'serving.kserve.io/v1alpha2',
      kind: 'LLMInferenceService',
      metadata: { name: 'llama', namespace },
      spec: {
        model: { uri: modelUri },
        template: { containers: [{ name: 'main', image: 'vllm', resources: resourceLimits }] },
      },
    },
    podOf: workloadPod,
  },
]

function inferenceService(annotations: { [key: string]: string }, predictor: JsonObject): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'llama', namespace, annotations },
    spec: { predictor: { minReplicas: 1, ...predictor } },
  }
}

/** Its model is in an annotation: KServe's pod webhook makes the volume. */
function predictorPod({ metadata }: KubeObject, uri = ''): KubeObject {
  const labels = { component: 'predictor', [serviceLabel]: 'llama' }
  const annotations = { ...metadata.annotations, [sourceUriAnnotation]: uri }
  return podWith({ labels, annotations }, { containers: [{ name: 'kserve-container', image: 'server' }] })
}

/** KServe's controller makes the volume, and copies no record. */
function workloadPod({ spec }: KubeObject): KubeObject {
  const labels = {
    'app.kubernetes.io/part-of': 'llminferenceservice',
    'app.kubernetes.io/name': 'llama',
    'kserve.io/component': 'workload',
  }
  const claimName = (stringAt(spec, 'model', 'uri') ?? '').replace('pvc://', '')
  const volumeMounts = [{ name: 'model', mountPath: '/mnt/models' }]
  return podWith(
    { labels },
    {
      containers: [{ name: 'main', image: 'vllm', resources: resourceLimits, volumeMounts }],
      volumes: [{ name: 'model', persistentVolumeClaim: { claimName } }],
    },
  )
}

function podWith(metadata: KubeObject['metadata'], spec: JsonObject): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'llama-predictor-', ...metadata }, spec }
}

const { accelerationPolicy } = resources

const listed: { [plural: string]: KubeObject[] } = {
  namespaces: [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { [accelerationLabel]: 'enabled' } },
    },
  ],
  accelerationpolicies: [
    {
      apiVersion: `${accelerationPolicy.group}/${accelerationPolicy.version}`,
      kind: accelerationPolicy.kind,
      metadata: { name: 'default' },
      spec: {
        gpu: {
          when: { modelFormats: ['huggingface', 'custom', 'vLLM'] },
          resources: { 'nvidia.com/gpu': '1' },
        },
      },
    },
  ],
}

/** A cluster with one open namespace, a policy, a key for records, and one Secret with keys of S3. */
function inMemoryCluster(): KubeClient {
  const key = randomBytes(32).toString('base64')
  return stillClient({
    objects: listed,
    get: async ({ kind }, { name }) => ({
      apiVersion: 'v1',
      kind,
      metadata: { name },
      data: { current: key, AWS_ACCESS_KEY_ID: 'aWQ=', AWS_SECRET_ACCESS_KEY: 'a2V5' },
    }),
  })
}
