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
 * Reads the records of services, each once while it is the same object. The controller acts on proven ones only: any
 * other record is the word of whoever may write the service.
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

  /** Changes when the keys do that prove records. */
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

  /** What admission recorded on a service; undefined where it recorded nothing. */
  proven(service: KubeObject, subject?: RecordSubject): Original | undefined {
    const record = this.of(service, subject)
    return record?.isProven ? record.original : undefined
  }

  /** What admission recorded of each location; empty where it recorded nothing. */
  locations(service: KubeObject): OriginalLocation[] {
    return Object.values(this.proven(service)?.locations ?? {})
  }

  /** The claims that they name: the caches that were made for a service, and a team's own Datasets. */
  claims(service: KubeObject): string[] {
    return [...new Set(this.locations(service).map(({ cache }) => cache))]
  }

  /** Whether a service says that it uses a cache, and nobody can prove it. */
  claimsUnproven(service: KubeObject, cache: string): boolean {
    const record = this.of(service)
    return (
      record !== undefined &&
      !record.isProven &&
      Object.values(record.original.locations).some((location) => location.cache === cache)
    )
  }
}
