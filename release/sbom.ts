import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
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
    components: [...components, ...(await leftOut(components)), ...own],
  }
}

interface Lock {
  packages: {
    [path: string]: { version: string; license: string; dependencies?: { [name: string]: string } }
  }
}

/** Dependencies that npm leaves out, because a development dependency may use them, too. */
async function leftOut(listed: Component[]): Promise<Component[]> {
  const { packages } = JSON.parse(await readFile(new URL('package-lock.json', root), 'utf8')) as Lock
  const names = Object.keys(packages['']?.dependencies ?? {})
  return names.flatMap((name) => {
    const found = packages[`node_modules/${name}`]
    if (found === undefined || listed.some((each) => each.name === name)) return []
    const { version, license } = found
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
    return [
      { type: 'library', name, version, 'bom-ref': purl, purl, licenses: [{ license: { id: license } }] },
    ]
  })
}

function debian({ name, version }: SystemPackage): Component {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?distro=debian-12`
  return { type: 'library', name, version, 'bom-ref': purl, purl }
}
