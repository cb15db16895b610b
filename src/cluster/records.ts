import type { Original, OriginalLocation } from '../plan/service/original.ts'
import {
  type RecordSigner,
  type RecordSubject,
  readRecord,
  type ServiceRecord,
  subjectOf,
} from '../plan/service/record.ts'
import type { KubeObject } from '../values/object.ts'

/**
 * Reads the records of services, each once while it is the same object. The controller acts only on proven records:
 * anyone who may write the service can write any other.
 */
export class Records {
  readonly signer: RecordSigner
  readonly #read = new WeakMap<KubeObject, { record: ServiceRecord | undefined; version: number }>()
  readonly #version: () => number

  /** `version` changes when the signer's keys do. */
  constructor(signer: RecordSigner & { readonly version?: number }) {
    this.signer = signer
    this.#version = () => signer.version ?? 0
  }

  /** Changes with the keys that prove records. */
  get version(): number {
    return this.#version()
  }

  /** The record on a service, proven or not. */
  of(service: KubeObject, subject: RecordSubject = subjectOf(service)): ServiceRecord | undefined {
    const version = this.#version()
    const known = this.#read.get(service)
    if (known?.version === version) return known.record
    const record = readRecord(service, this.signer, subject)
    this.#read.set(service, { record, version })
    return record
  }

  /** What admission recorded on a service; undefined if it recorded nothing. */
  proven(service: KubeObject, subject?: RecordSubject): Original | undefined {
    const record = this.of(service, subject)
    return record?.isProven ? record.original : undefined
  }

  /** What admission recorded about each location; empty if it recorded nothing. */
  locations(service: KubeObject): OriginalLocation[] {
    return Object.values(this.proven(service)?.locations ?? {})
  }

  /** The claims that they name: the caches of a service, and a team's own Datasets. */
  claims(service: KubeObject): string[] {
    return [...new Set(this.locations(service).map(({ cache }) => cache))]
  }

  /** Whether a service names a cache in a record that is not proven. */
  claimsUnproven(service: KubeObject, cache: string): boolean {
    const record = this.of(service)
    return (
      record !== undefined &&
      !record.isProven &&
      Object.values(record.original.locations).some((location) => location.cache === cache)
    )
  }
}
