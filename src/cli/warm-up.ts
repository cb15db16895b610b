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
import { sourceUriAnnotation } from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import { resources } from '../kube/resources.ts'
import { stillClient } from '../kube/still-client.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { systemClock } from '../values/clock.ts'
import { accelerationLabel } from '../values/keys.ts'
import type { KubeObject } from '../values/object.ts'

// By then V8 has compiled what a review runs, and has seen its objects. More rounds gain little.
const defaultRounds = 20
const budgetMs = 10_000

/**
 * Runs the handlers of reviews, before a replica is ready, on a sample service and pod in a cluster that exists only
 * in memory: the code of a quiet cluster's webhook is always cold, and the first reviews would pay for it. It counts
 * no metric, logs nothing, and asks the API server nothing. Resolves with the answers of the last round.
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
      const created = await run(handlers.service, { operation: 'CREATE', object: service })
      const admitted = withPatch(service, created)
      const pod = podOf(admitted)
      answers = [
        created,
        await run(handlers.service, { operation: 'UPDATE', object: admitted, oldObject: admitted }),
        await run(handlers.service, { operation: 'UPDATE', object: service, oldObject: admitted }),
        await run(handlers.pod, { operation: 'CREATE', object: pod }),
      ]
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

const service: KubeObject = {
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: { name: 'llama', namespace, annotations: { 'serving.kserve.io/deploymentMode': 'Standard' } },
  spec: {
    predictor: {
      minReplicas: 1,
      model: {
        modelFormat: { name: 'huggingface' },
        storageUri: 's3://models/llama',
        args: ['--max-model-len=4096'],
        env: [{ name: 'LOG_LEVEL', value: 'info' }],
        resources: { limits: { cpu: '4', memory: '16Gi' } },
      },
    },
  },
}

/** As KServe makes it, before its own webhook has run. */
function podOf({ metadata, spec }: KubeObject): KubeObject {
  const predictor = spec as { predictor: { model: { storageUri: string; resources: KubeObject['spec'] } } }
  const { storageUri, resources = {} } = predictor.predictor.model
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'llama-predictor-',
      labels: { component: 'predictor', 'serving.kserve.io/inferenceservice': 'llama' },
      annotations: {
        ...metadata.annotations,
        [sourceUriAnnotation]: storageUri,
      },
    },
    spec: { containers: [{ name: 'kserve-container', image: 'server', resources }] },
  }
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
      spec: { gpu: { when: { modelFormats: ['huggingface'] }, resources: { 'nvidia.com/gpu': '1' } } },
    },
  ],
}

/** A cluster with one open namespace, a policy, and a key for records. */
function inMemoryCluster(): KubeClient {
  const key = randomBytes(32).toString('base64')
  return stillClient({
    objects: listed,
    get: async ({ kind }, { name }) => ({
      apiVersion: 'v1',
      kind,
      metadata: { name },
      data: { current: key },
    }),
  })
}
