/** Why a service is, or is not, accelerated. Each is a metric's label, an Event's reason and a heading in docs/reasons.md. */
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
/** Why a service is left alone; one that has its cache already is not. */
export type RefusalReason = Exclude<SkipReason, 'AlreadyCached'>
export type Reason = 'Accelerated' | 'InvalidOverride' | SkipReason

/** Somebody's wish, or Warmgate's own doing: nothing to warn of. */
const quiet: ReadonlySet<Reason> = new Set<Reason>(['Accelerated', 'NotOptedIn', 'OptedOut', 'AlreadyCached'])

export function isWorthAWarning(reason: Reason): boolean {
  return !quiet.has(reason)
}
