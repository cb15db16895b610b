import type { KubeObject } from '../../src/values/object.ts'

const labelLength = 63

/** pkg/ddc/base/pv.go. One for the whole cluster: (a-b, c) and (a, b-c) share it. */
export function volumeName({ metadata }: KubeObject): string {
  return `${metadata.namespace}-${metadata.name}`
}

/** pkg/utils/label.go: what would be too long for a label becomes the Dataset's UID. */
export function datasetId(dataset: KubeObject): string {
  return fitting('', dataset)
}

export function datasetLabel(dataset: KubeObject): string {
  return fitting('fluid.io/s-', dataset)
}

function fitting(prefix: string, dataset: KubeObject): string {
  const full = `${prefix}${volumeName(dataset)}`
  return full.length < labelLength ? full : `${prefix}${dataset.metadata.uid}`
}

/** pkg/utils/dataload.go: the Helm release that loads, and its Job. */
export function releaseName(dataLoad: string): string {
  return `${dataLoad}-loader`
}

export function jobName(dataLoad: string): string {
  return `${releaseName(dataLoad)}-job`
}

/** Fluid's requirements for the name of a Dataset or Runtime. Their CRDs allow more. */
export function isDns1035Label(name: string): boolean {
  return name.length <= labelLength && /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name)
}
