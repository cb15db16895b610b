/** Why a service is skipped. Each is a metric label, an Event reason and a heading in docs/reasons.md. */
export const skipReasons = [
  'AuditOnly',
  'NotOptedIn',
  'OptedOut',
  'NoPolicy',
  'NoModelLocation',
  'AlreadyCached',
  'PvcSource',
  'OciSource',
  'LocalSource',
  'ArchiveSource',
  'SingleFileSource',
  'GitSource',
  'HttpSource',
  'UnsupportedScheme',
  'RuntimeUnavailable',
  'FluidMissing',
  'CredentialsMissing',
  'CredentialsPending',
  'WorkloadIdentity',
  'ConfidentialModel',
  'WritableModel',
  'CustomDownload',
  'SharedDownload',
  'FillForbidden',
  'ModelMesh',
  'LocalModelCached',
  'StorageContainerPinned',
  'NameTaken',
  'CacheLimit',
  'PodSecurity',
  'UnsafeUri',
  'TooLarge',
  'RecordUnproven',
] as const

export type SkipReason = (typeof skipReasons)[number]
/** Why a service does not use a cache. With `AlreadyCached` it does. */
export type RefusalReason = Exclude<SkipReason, 'AlreadyCached'>
export type Reason = 'Accelerated' | 'InvalidOverride' | SkipReason

/** Reasons without a warning: the user chose them, or Warmgate accelerates the service. */
const quiet: ReadonlySet<Reason> = new Set<Reason>(['Accelerated', 'NotOptedIn', 'OptedOut', 'AlreadyCached'])

export function needsWarning(reason: Reason): boolean {
  return !quiet.has(reason)
}
