import type { CacheSettings } from './runtime.ts'
import type { RuntimeName } from './runtimes.ts'
import type { Source } from './source.ts'

/** One cache to be: what it reads, and how it is furnished. */
export interface Cache {
  name: string
  namespace: string
  source: Source
  runtime: RuntimeName
  settings: CacheSettings
  /** Where in it models are, each with a DataLoad of its own; the empty path is the whole of it. */
  paths: string[]
}
