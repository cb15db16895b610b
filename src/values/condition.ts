import { isObject, type JsonObject, type KubeObject, listAt } from './object.ts'

/** The condition of this type in an object's status; undefined if it was never written. */
export function conditionOf(object: KubeObject | undefined, type: string): JsonObject | undefined {
  return listAt(object, 'status', 'conditions')
    .filter(isObject)
    .find((condition) => condition.type === type)
}

export function isTrue(object: KubeObject | undefined, type: string): boolean {
  return conditionOf(object, type)?.status === 'True'
}
