import {
  accelerationAnnotation,
  cachesAnnotation,
  originalAnnotation,
  revertedAnnotation,
} from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'
import { Draft, pointer } from '../draft.ts'
import { isOptedOut } from '../facts.ts'
import { readOriginal, restore } from './original.ts'

export type Undone =
  | { kind: 'changed'; service: KubeObject }
  /** The service has no changes of Warmgate's. */
  | { kind: 'untouched' }
  /** The service was accelerated, but its record of the original is not readable. */
  | { kind: 'unreadable'; message: string }

/**
 * Undoes all of Warmgate's changes to a service. `optOut` is the reason to opt it out as well, because a
 * running webhook would accelerate it again. Without `optOut`, an opt-out that Warmgate wrote is removed. The
 * user's opt-out always stays.
 */
export function undo(service: KubeObject, optOut: string | undefined): Undone {
  const draft = new Draft(service)
  const annotation = (name: string) => pointer('metadata', 'annotations', name)
  const original = readOriginal(service)
  if (original !== undefined) restore(draft, original)
  else if ([originalAnnotation, cachesAnnotation].some((name) => draft.get(annotation(name)) !== undefined))
    return { kind: 'unreadable', message: `its annotation ${originalAnnotation} is no record` }
  if (optOut === undefined && draft.get(annotation(revertedAnnotation)) !== undefined) {
    draft.remove(annotation(revertedAnnotation))
    draft.remove(annotation(accelerationAnnotation))
    draft.removeIfEmpty('/metadata/annotations')
  }
  if (optOut !== undefined && !isOptedOut(service.metadata.annotations)) {
    draft.set(annotation(accelerationAnnotation), 'disabled')
    draft.set(annotation(revertedAnnotation), optOut)
  }
  return draft.patch().length === 0 ? { kind: 'untouched' } : { kind: 'changed', service: draft.object }
}
