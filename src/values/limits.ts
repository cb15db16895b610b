/**
 * Limits for objects of users. An object beyond a limit is skipped with the reason `TooLarge` before it is
 * parsed: no real object needs as much, and parsing it would delay all other requests.
 */
export const limits = {
  /** Characters of a URI, a path, a mountPath, an endpoint or a storage path. */
  text: 2_048,
  /** Characters of a name, Kubernetes' maximum. */
  name: 253,
  /** Characters of foreign text in a message. */
  message: 200,
  /** Model locations of one service. */
  locations: 64,
  /** Characters of a storage spec, as JSON. */
  storage: 8_192,
  /** JSON values in one pod. Real pods have some hundreds. */
  podValues: 10_000,
  /** Bytes of memory for the parts of a user's object that are read. A larger service is skipped. */
  objectBytes: 128 * 2 ** 10,
  /** Bytes of all annotations of an object, keys and values together: the API server's maximum. */
  annotationBytes: 256 * 2 ** 10,
  /** Levels of objects and lists in a service's spec. */
  depth: 100,
  /**
   * Elements of a list, and fields of an object, anywhere in a service's spec; fewer in the fields listed
   * below.
   */
  elements: 1_000,
  /** Volumes of one pod or service, mounts of one container, and claims that a pod mounts. */
  volumes: 256,
  containers: 64,
  /** Objects and lists to search for accelerators, in one service, runtime or configuration. */
  values: 20_000,
  /**
   * Reads of service accounts, Secrets and access reviews for one plan. A service of three components with an
   * account each, every account with four Secrets, needs 15.
   */
  reads: 32,
  /** Secrets that one service account lists. */
  accountSecrets: 16,
  /** Keys of one Secret. */
  secretKeys: 256,
  /** Characters, and fields, of an entry of a `storage-config` Secret. */
  entry: 65_536,
  entryFields: 64,
  /** Names of resources that are compared with accelerators, in one service or pod. */
  resourceNames: 256,
  /** Mounts of one Dataset that a team created. */
  mounts: 64,
  /** Options of one such mount, and options that its Secrets fill. */
  options: 64,
} as const

/** How many elements these fields of a service may have, at any depth. */
export const mostElements: ReadonlyMap<string, number> = new Map([
  ['containers', limits.containers],
  ['initContainers', limits.containers],
  ['volumeMounts', limits.volumes],
  ['volumes', limits.volumes],
  ['canary', limits.locations],
  ['adapters', limits.locations],
  ['storageUris', limits.locations],
  ['baseRefs', 64],
  ['annotations', 512],
  ['parameters', 64],
  ['limits', 64],
  ['requests', 64],
])
