import {
  accelerationAnnotation,
  adoptAnnotation,
  cachesAnnotation,
  isWarmgateKey,
  originalAnnotation,
  overrideAnnotations,
  revertedAnnotation,
} from '../values/keys.ts'
import { type KubeObject, objectAt, stringMapAt } from '../values/object.ts'
import { quoted } from '../values/text.ts'
import type { Annotations } from './overrides.ts'

/** Service annotations that users write (`forPeople`), and those that only Warmgate writes. */
const forPeople = [accelerationAnnotation, adoptAnnotation, ...Object.values(overrideAnnotations)]
const known: readonly string[] = [...forPeople, originalAnnotation, cachesAnnotation, revertedAnnotation]

/** A Warmgate annotation of a service that has an unknown name or value. */
export interface UnknownAnnotation {
  key: string
  /** Names the valid values. */
  message: string
}

/** The first annotation in Warmgate's domain with an unknown name, or an unknown value for opting out. */
export function unknownAnnotation(annotations: Annotations): UnknownAnnotation | undefined {
  const value = annotations[accelerationAnnotation]
  if (value !== undefined && !['enabled', 'disabled'].includes(value)) {
    const shown = `${accelerationAnnotation}: ${JSON.stringify(quoted(value))}`
    const message = `${shown} is not valid: use disabled to opt the service out, or leave it out`
    return { key: accelerationAnnotation, message }
  }
  const key = Object.keys(annotations).find((name) => isWarmgateKey(name) && !known.includes(name))
  if (key === undefined) return undefined
  return { key, message: `${quoted(key)}: unknown annotation; valid are: ${forPeople.join(', ')}` }
}

/** Places from which KServe copies labels and annotations to pods, and that Warmgate does not read. */
const unread = [
  { what: 'label', of: 'the service', path: ['metadata', 'labels'] },
  ...['predictor', 'transformer', 'explainer'].flatMap((part) => [
    { what: 'label', of: `the ${part}`, path: ['spec', part, 'labels'] },
    { what: 'annotation', of: `the ${part}`, path: ['spec', part, 'annotations'] },
  ]),
  { what: 'label', of: 'the pods', path: ['spec', 'labels'] },
  { what: 'annotation', of: 'the pods', path: ['spec', 'annotations'] },
]

/**
 * Warnings about Warmgate keys in places that Warmgate does not read, unless an update leaves them unchanged.
 */
export function unusedAnnotations(service: KubeObject, previous: KubeObject | undefined): string[] {
  return unread.flatMap(({ what, of, path }) => {
    const keys = Object.keys(objectAt(service, ...path)).filter(isWarmgateKey)
    if (keys.length === 0) return []
    const [now, before] = [stringMapAt(service, ...path), stringMapAt(previous, ...path)]
    return keys
      .filter((key) => now[key] !== undefined && before[key] !== now[key])
      .slice(0, mostWarnings)
      .map(
        (key) =>
          `warmgate: the ${what} ${quoted(key)} of ${of} has no effect: Warmgate reads annotations in metadata.annotations ` +
          'of the service',
      )
  })
}

const mostWarnings = 4
