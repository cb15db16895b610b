import type { CacheSettings } from './runtime.ts'
import type { RuntimeName } from './runtimes.ts'
import type { Source } from './source.ts'

export interface Cache {
  name: string
  namespace: string
  source: Source
  runtime: RuntimeName
  settings: CacheSettings
  /** The paths of models in the source, each with its own DataLoad; the empty path is the whole source. */
  paths: string[]
  /** The model that a download stores in the source first, if there is a download. */
  filledFrom?: string
}
