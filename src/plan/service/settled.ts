import { isDeepStrictEqual } from 'node:util'
import { servingContainers } from '../../kserve/container.ts'
import { modelPlaces } from '../../kserve/location.ts'
import { requestsDevicesItself } from '../../kserve/service-view.ts'
import { tooLargeBecause } from '../../kserve/too-large.ts'
import { isNamespaceOptedOut } from '../../policy/scope.ts'
import { cachesAnnotation, originalAnnotation } from '../../values/keys.ts'
import { limits } from '../../values/limits.ts'
import { isSameJson, type KubeObject } from '../../values/object.ts'
import { Draft, steps } from '../draft.ts'
import { type Facts, isOptedOut } from '../facts.ts'
import { hasPlainResources } from './gpu.ts'
import { type Additions, cachesText, claimUri, type Original, recordText } from './original.ts'
import { type PatchTarget, patchTargetsOf } from './patch-target.ts'
import { plainText, readRecord, subjectOf } from './record.ts'
import { isPlannable } from './size.ts'

export interface Update {
  service: KubeObject
  previous: KubeObject
}

/** Whether an update leaves everything as it is that a plan reads of the service's manifest. */
export function changesNothing({ service, previous }: Update): boolean {
  const [now, before] = [service.metadata, previous.metadata]
  return (
    service.kind === previous.kind &&
    now.name === before.name &&
    now.generateName === before.generateName &&
    isSameJson(now.annotations, before.annotations) &&
    isSameJson(now.labels, before.labels) &&
    isSameJson(service.spec, previous.spec)
  )
}

/**
 * Whether an update needs no plan: it changes nothing, and the service is as admission leaves it according to its
 * proven record. The plan of such an update is `AlreadyCached` with an empty patch, whatever policies, Secrets and
 * runtimes say. False only means that it has to be planned.
 *
 * Left to the plan: LLMInferenceServices, which their configurations also decide on, and records of storage specs and
 * of created containers.
 */
export function isSettled(
  update: Update,
  { namespace, namespaceLabels, signer }: Pick<Facts, 'namespace' | 'namespaceLabels' | 'signer'>,
): boolean {
  const { service } = update
  const { annotations = {} } = service.metadata
  if (service.kind !== 'InferenceService' || annotations[originalAnnotation] === undefined) return false
  if (isOptedOut(annotations) || isNamespaceOptedOut(namespaceLabels)) return false
  if (!changesNothing(update) || !isPlannable(service) || tooLargeBecause(service) !== undefined) return false
  const record = readRecord(service, signer, subjectOf(service, namespace))
  if (record?.isProven !== true) return false
  const original = inOrder(service, record.original)
  return (
    original !== undefined &&
    recordText(original) === plainText(record.text) &&
    cachesText(original) === annotations[cachesAnnotation] &&
    hasAdditions(service, original)
  )
}

/** The record with its locations in the order of the service; undefined unless exactly these read from its caches. */
function inOrder(service: KubeObject, original: Original): Original | undefined {
  const places = modelPlaces(service)
  if (places.length > limits.locations || places.length !== Object.keys(original.locations).length)
    return undefined
  const locations: Original['locations'] = {}
  for (const { id, model } of places) {
    const before = Object.hasOwn(original.locations, id) ? original.locations[id] : undefined
    const isCached =
      before !== undefined &&
      before.uri !== '' &&
      before.storage === undefined &&
      model.kind === 'uri' &&
      model.storage === undefined &&
      model.uri === claimUri(before)
    if (!isCached) return undefined
    locations[id] = before
  }
  return { ...original, locations }
}

/** Whether the service has all recorded additions, and a plan would keep them. */
function hasAdditions(service: KubeObject, { additions }: Original): boolean {
  const targets = patchTargetsOf(service).flatMap((target) =>
    Object.hasOwn(additions, target.id) ? [{ target, given: additions[target.id] as Additions }] : [],
  )
  const draft = new Draft(service)
  return (
    targets.every(({ target, given }) => has(draft, target, given)) && keepsDevices(draft, additions, targets)
  )
}

interface Given {
  target: PatchTarget
  given: Additions
}

function has(
  draft: Draft,
  { pointer, allowedPaths, missingName }: PatchTarget,
  { added, made, holders }: Additions,
): boolean {
  const paths = Object.keys(added).filter((path) => allowedPaths.test(path))
  if (holders !== undefined || (missingName !== undefined && paths.length > 0)) return false
  // A created parent that holds nothing of Warmgate's would be removed if it is empty.
  const isParent = (parent: string) => paths.some((path) => path.startsWith(`${parent}/`))
  return (
    paths.every((path) => draft.get(pointer + path) !== undefined) &&
    made.every((path) => isParent(path) || !allowedPaths.test(path))
  )
}

/** A plan takes its devices away from a service that asks for devices itself. */
function keepsDevices(draft: Draft, additions: Original['additions'], targets: Given[]): boolean {
  const paths = Object.values(additions).flatMap(({ added }) => Object.keys(added))
  const devices = paths.filter((path) => path.startsWith('/resources/'))
  if (devices.length === 0) return true
  if (!servingContainers(draft.object).every(hasPlainResources)) return false
  for (const { target, given } of targets)
    for (const [path, value] of Object.entries(given.added))
      if (target.allowedPaths.test(path) && isDeepStrictEqual(draft.get(target.pointer + path), value))
        draft.remove(target.pointer + path)
  const names = devices.map((path) => steps(path).at(-1) ?? '')
  return !requestsDevicesItself(draft.object, names)
}
