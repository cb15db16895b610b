import { conditionOf, isTrue } from '../values/condition.ts'
import { type JsonObject, type KubeObject, keyOf, type ObjectKey } from '../values/object.ts'

/** The label of the Jobs that Fluid creates for DataLoads (its charts, fluid-dataloader). */
export const loadJobSelector = 'role=dataload-job'

const suffix = '-loader-job'

export function loadJobKey(dataLoad: ObjectKey): ObjectKey {
  return { ...dataLoad, name: `${dataLoad.name}${suffix}` }
}

/** The key of the DataLoad that a loading Job is for; undefined for any other Job. */
export function loadOfJob(job: KubeObject): ObjectKey | undefined {
  const key = keyOf(job)
  return key.name.endsWith(suffix) ? { ...key, name: key.name.slice(0, -suffix.length) } : undefined
}

/** Whether a Job is that of this very DataLoad, not of an earlier one of its name. */
export function isJobOf(job: KubeObject, { metadata: { uid } }: KubeObject): boolean {
  return uid !== undefined && (job.metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false)
}

/** The condition of a complete Job or DataLoad. */
export function completionOf(object: KubeObject): JsonObject | undefined {
  return isTrue(object, 'Complete') ? conditionOf(object, 'Complete') : undefined
}
