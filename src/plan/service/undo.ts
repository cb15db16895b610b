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
  /** Nothing of Warmgate's is in it. */
  | { kind: 'untouched' }
  /** It says that it was accelerated, and not what stood there before. */
  | { kind: 'unreadable'; message: string }

/**
 * A service without anything of Warmgate's: the manifest that came in. `optOut` says why it has to opt out all the same,
 * since a webhook that is at work would accelerate it again. An opt-out that Warmgate wrote goes with the webhook; one that
 * its user wrote stays.
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
