import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { SystemPackage } from './system.ts'
import { root } from './version.ts'

const run = promisify(execFile)
const longestList = 2 ** 26

export interface Component {
  name: string
  version: string
  [field: string]: unknown
}

export interface Sbom {
  components: Component[]
  [field: string]: unknown
}

export interface SbomOptions {
  /** Node's version, without the v. */
  node: string
  system: readonly SystemPackage[]
  /** When the commit was made: the same commit has the same list. */
  created: string
}

/** The list of what an image holds, in CycloneDX: npm's own list of dependencies, Node, and Debian's packages. */
export async function createSbom({ node, system, created }: SbomOptions): Promise<Sbom> {
  const args = [
    'sbom',
    '--omit=dev',
    '--package-lock-only',
    '--sbom-format=cyclonedx',
    '--sbom-type=application',
  ]
  const { stdout } = await run('npm', args, { cwd: root, maxBuffer: longestList })
  const { serialNumber, metadata, components, ...listed } = JSON.parse(stdout) as Sbom
  const own: Component[] = [
    {
      type: 'application',
      name: 'node',
      version: node,
      'bom-ref': `pkg:generic/node@${node}`,
      purl: `pkg:generic/node@${node}`,
    },
    ...system.map(debian),
  ]
  return {
    ...listed,
    metadata: { ...(metadata as object), timestamp: created },
    components: [...components, ...own],
  }
}

function debian({ name, version }: SystemPackage): Component {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?distro=debian-12`
  return { type: 'library', name, version, 'bom-ref': purl, purl }
}
