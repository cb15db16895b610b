import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Manifest, parseManifests } from '../../src/cli/manifests.ts'
import type { KubeObject } from '../../src/values/object.ts'

/** The services that KServe's own samples, tests and documents write. */
export interface Corpus {
  files: CorpusFile[]
  /** Files that name a service and are no YAML: templates of Helm or of a shell. */
  broken: string[]
}

export interface CorpusFile {
  path: string
  services: KubeObject[]
}

const kinds = ['InferenceService', 'LLMInferenceService']
const isService = /^\s*(- )?kind: ["']?(LLM)?InferenceService["']?\s*$/m
// The bundles of every release: 60 files of CRDs, without a service.
const skipped = /(^|\/)(install\/|crds?\/)/

/** Every service in the YAML files of KServe's module. */
export async function readCorpus(folder: string): Promise<Corpus> {
  const names = (await readdir(folder, { recursive: true }))
    .filter((name) => /\.ya?ml$/.test(name) && !skipped.test(name))
    .toSorted()
  const corpus: Corpus = { files: [], broken: [] }
  for (const path of names) {
    const text = await readFile(join(folder, path), 'utf8')
    if (!isService.test(text)) continue
    const objects = parsed(path, text)?.map(({ object }) => object)
    const services = objects?.filter(({ kind }) => kinds.includes(kind))
    if (services === undefined) corpus.broken.push(path)
    else if (services.length > 0) corpus.files.push({ path, services })
  }
  return corpus
}

function parsed(path: string, text: string): Manifest[] | undefined {
  try {
    return parseManifests(path, text)
  } catch {
    return undefined
  }
}
