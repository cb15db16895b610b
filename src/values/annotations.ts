import { keyDomain } from './keys.ts'

// The key domains of annotations that Warmgate reads. Fluid's annotation on PVCs has no domain.
const domains = [keyDomain, 'kserve.io', 'fluid.io', 'serving.knative.dev'].map((domain) => `.${domain}`)

/** The annotations that Warmgate reads, by the domain of their key; and those of `more`, by name. */
export function knownAnnotations(
  annotations: { [key: string]: string } = {},
  more: readonly string[] = [],
): { [key: string]: string } {
  const isKnown = (key: string) => {
    const domain = `.${key.slice(0, Math.max(key.indexOf('/'), 0))}`
    return more.includes(key) || domains.some((each) => domain.endsWith(each))
  }
  const entries = Object.entries(annotations).filter(
    ([key, value]) => typeof value === 'string' && isKnown(key),
  )
  return Object.fromEntries(entries)
}
