import type { Json, JsonObject, KubeObject } from '../../src/values/object.ts'
import { custom, frameworks } from './services.ts'

/** How KServe runs a service: its two modes for an InferenceService, and its other kind. */
export const modes = ['Standard', 'Knative', 'LLM'] as const
export type Mode = (typeof modes)[number]

/** A service of the compatibility table, and the workloads that KServe creates for it. */
export interface Case {
  table: 'locations' | 'sources'
  row: string
  mode: Mode
  spec: JsonObject
  /** The workloads that run its models. */
  workloads: number
  /** How many claims an accelerated one mounts, in all of its workloads. */
  claims: number
}

const inferenceModes: Mode[] = ['Standard', 'Knative']
const directory = 's3://models/llama'
const sklearn = (more: JsonObject) => ({ model: { modelFormat: { name: 'sklearn' }, ...more } })
const stable = sklearn({ storageUri: directory })
const uris = (...paths: string[]) => paths.map((uri) => ({ uri, mountPath: `/mnt/${uri.split('/').at(-1)}` }))
const image = { name: 'main', image: 'vllm:1' }
const bare = { containers: [{ name: 'kserve-container', image: 'own:1' }] }
const several = { data: 2, dataLocal: 1 }

interface Shape {
  spec: JsonObject
  workloads?: number
  claims?: number
  modes?: Mode[]
}

/** Every place for a model location, each with the same s3:// directory. */
const inference: { [row: string]: Shape } = {
  'predictor.model.storageUri': { spec: { predictor: stable } },
  ...Object.fromEntries(
    frameworks.map((name) => [
      `predictor.${name}.storageUri`,
      { spec: { predictor: { [name]: { storageUri: directory } } } },
    ]),
  ),
  'predictor.model.storage': {
    spec: {
      predictor: sklearn({ storage: { path: 'llama', parameters: { type: 's3', bucket: 'models' } } }),
    },
  },
  'predictor.storageUris': {
    spec: { predictor: { ...bare, storageUris: uris(directory, 's3://models/adapter') } },
    claims: 2,
  },
  'predictor.containers, named': { spec: { predictor: custom(directory, { name: 'kserve-container' }) } },
  'predictor.containers, the only one': { spec: { predictor: custom(directory) } },
  'predictor.workerSpec (multi-node)': {
    spec: {
      predictor: {
        model: { modelFormat: { name: 'huggingface' }, storageUri: directory },
        workerSpec: { pipelineParallelSize: 2, tensorParallelSize: 1 },
      },
    },
    // KServe 0.20 takes the workers' Deployment away again: https://github.com/kserve/kserve/issues/6113
    workloads: 1,
    modes: ['Standard'],
  },
  'canary.predictor': {
    spec: {
      predictor: stable,
      canary: [
        { trafficPercent: 10, predictor: { name: 'next', ...sklearn({ storageUri: 's3://models/next' }) } },
      ],
    },
    workloads: 2,
    claims: 2,
    modes: ['Standard'],
  },
  'transformer.containers': {
    spec: { predictor: stable, transformer: custom('s3://models/tokenizer') },
    workloads: 2,
    claims: 2,
  },
  'transformer.storageUris': {
    spec: { predictor: bare, transformer: { ...bare, storageUris: uris('s3://models/tokenizer') } },
    workloads: 2,
    claims: 1,
  },
  'explainer.art.storageUri': {
    spec: {
      predictor: stable,
      explainer: { art: { type: 'SquareAttack', storageUri: 's3://models/explainer' } },
    },
    workloads: 2,
    claims: 2,
  },
  'explainer.containers': {
    spec: { predictor: stable, explainer: custom('s3://models/explainer') },
    workloads: 2,
    claims: 2,
  },
  'explainer.storageUris': {
    spec: { predictor: bare, explainer: { ...bare, storageUris: uris('s3://models/explainer') } },
    workloads: 2,
    claims: 1,
  },
  'logger.storage': {
    spec: {
      predictor: {
        ...bare,
        logger: { mode: 'all', storage: { path: 'logs', key: 'default', parameters: { type: 's3' } } },
      },
    },
  },
}

const model = (uri: string) => ({ uri, name: 'llama' })
const llm: { [row: string]: Shape } = {
  'model.uri': { spec: { model: model(directory) } },
  'model.lora.adapters[].uri': {
    spec: {
      model: { ...model(directory), lora: { adapters: [{ name: 'law', uri: 's3://models/law' }] } },
    },
    claims: 2,
  },
  'model.uri, prefill': { spec: { model: model(directory), prefill: {} }, workloads: 2, claims: 2 },
  'model.uri, worker (multi-node)': {
    spec: {
      model: model(directory),
      parallelism: several,
      template: { containers: [image] },
      worker: { containers: [image] },
    },
    claims: 2,
  },
}

/** Every kind of source, each at the plainest location. */
export const sources: { [row: string]: string } = {
  'S3, directory': 's3://models/directory',
  'GCS, directory': 'gs://models/directory',
  'OSS, directory': 'oss://models/directory',
  'one file': 's3://models/model.joblib',
  archive: 's3://models/model.tar.gz',
  git: 'https://example.com/model.git',
  'HTTP(S)': 'https://example.com/model.joblib',
  'Hugging Face': 'hf://meta/llama',
  'Azure Blob': 'https://account.blob.core.windows.net/models/llama',
  HDFS: 'hdfs://namenode/models/llama',
  'claim of one’s own': 'pvc://claim/llama',
  'OCI image': 'oci://registry/llama:1',
}

/** KServe's storage initializer knows no oss://: without a cache the service never starts. */
const acceptedByInference = (uri: string) => !uri.startsWith('oss:')

/** Of the others KServe makes nothing; of gs:// only because it has become a claim. */
const takenByLlm = /^(s3|gs|hf|oci|pvc):/

export function cases(): Case[] {
  const existing = Object.entries(inference).flatMap(([row, { modes: of = inferenceModes, ...shape }]) =>
    of.map((mode) => toCase('locations', row, mode, shape)),
  )
  const llms = Object.entries(llm).map(([row, shape]) => toCase('locations', row, 'LLM', shape))
  const each = Object.entries(sources).flatMap(([row, uri]) => [
    ...(['Standard', 'Knative'] as const).map((mode) =>
      toCase('sources', row, mode, {
        spec: { predictor: sklearn({ storageUri: uri }) },
        workloads: acceptedByInference(uri) ? 1 : 0,
      }),
    ),
    toCase('sources', row, 'LLM', { spec: { model: model(uri) }, workloads: takenByLlm.test(uri) ? 1 : 0 }),
  ])
  return [...existing, ...llms, ...each]
}

function toCase(table: Case['table'], row: string, mode: Mode, { spec, workloads = 1, claims }: Shape): Case {
  return { table, row, mode, spec, workloads, claims: claims ?? workloads }
}

export function serviceOf({ spec, mode }: Case, name: string, namespace: string): KubeObject {
  const isLlm = mode === 'LLM'
  const annotations: { [key: string]: string } = isLlm
    ? {}
    : { 'serving.kserve.io/deploymentMode': mode, 'serving.kserve.io/autoscalerClass': 'none' }
  return {
    apiVersion: isLlm ? 'serving.kserve.io/v1alpha2' : 'serving.kserve.io/v1beta1',
    kind: isLlm ? 'LLMInferenceService' : 'InferenceService',
    metadata: { name, namespace, ...(isLlm ? {} : { annotations }) },
    spec: spec as { [field: string]: Json },
  }
}
