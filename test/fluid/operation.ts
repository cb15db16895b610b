import { type JsonObject, type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'

// Several loads of one Dataset may run at once: a list with commas. Source: api/v1alpha1/dataset_types.go.

/** The Dataset's status, with a DataLoad that runs noted in it. */
export function withOperation(dataset: KubeObject, dataLoad: string): JsonObject {
  const running = operations(dataset)
  return running.includes(dataLoad) ? objectAt(dataset, 'status') : noted(dataset, [...running, dataLoad])
}

export function withoutOperation(dataset: KubeObject, dataLoad: string): JsonObject {
  const running = operations(dataset)
  if (!running.includes(dataLoad)) return objectAt(dataset, 'status')
  return noted(
    dataset,
    running.filter((name) => name !== dataLoad),
  )
}

function operations(dataset: KubeObject): string[] {
  const text = stringAt(dataset, 'status', 'operationRef', 'DataLoad') ?? ''
  return text === '' ? [] : text.split(',')
}

function noted(dataset: KubeObject, dataLoads: string[]): JsonObject {
  const { operationRef, ...status } = objectAt(dataset, 'status')
  const { DataLoad: _, ...others } = objectAt(operationRef)
  const refs = dataLoads.length === 0 ? others : { ...others, DataLoad: dataLoads.join(',') }
  return Object.keys(refs).length === 0 ? status : { ...status, operationRef: refs }
}
