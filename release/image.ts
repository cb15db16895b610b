import { cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../build.ts'
import { architecture, Layout } from './oci.ts'
import { createSbom, type Sbom } from './sbom.ts'
import { writeSystem } from './system.ts'
import { readRevision, readVersion, root } from './version.ts'

/** The numbers of distroless' nonroot, which the Deployment asks for, too. */
export const user = 65_532
export const imageName = 'warmgate'

export interface BuiltImage {
  /** The archive, in OCI's layout. */
  file: string
  /** `warmgate:0.1.0`, as the Deployment names it. */
  name: string
  bytes: number
  sbom: Sbom
}

/**
 * Assembles the image that the Containerfile describes, from this machine's Node and Debian's packages: no registry, no
 * daemon. The same commit gives the same bytes.
 */
export async function buildImage(folder: string): Promise<BuiltImage> {
  const [version, revision] = await Promise.all([readVersion(), readRevision()])
  const name = `${imageName}:${version}`
  const file = join(folder, `warmgate-${version}-linux-${architecture}.oci.tar`)
  const work = await mkdtemp(join(tmpdir(), 'warmgate-image-'))
  try {
    await mkdir(folder, { recursive: true })
    const base = join(work, 'base')
    const system = await writeSystem(base)
    await mkdir(join(base, 'nodejs/bin'), { recursive: true })
    await cp(process.execPath, join(base, 'nodejs/bin/node'))
    const sbom = await createSbom({ node: process.versions.node, system, created: revision.created })
    const app = join(work, 'app')
    await writeApp(join(app, 'app'), sbom)
    const layout = new Layout(join(work, 'layout'))
    await layout.open()
    const layers = [await layout.layer(base), await layout.layer(app)]
    const labels = labelsOf({ version, ...revision })
    const image = {
      name: `docker.io/library/${name}`,
      layers,
      config: configOf(labels),
      created: revision.created,
    }
    await layout.archive(file, [await layout.image(image)])
    return { file, name, bytes: (await stat(file)).size, sbom }
  } finally {
    await rm(work, { recursive: true })
  }
}

async function writeApp(folder: string, sbom: Sbom): Promise<void> {
  await mkdir(folder, { recursive: true })
  await bundle(join(folder, 'warmgate.mjs'))
  await cp(fileURLToPath(new URL('LICENSE', root)), join(folder, 'LICENSE'))
  await writeFile(join(folder, 'sbom.cdx.json'), `${JSON.stringify(sbom, null, 2)}\n`)
}

export interface ImageLabels {
  version: string
  revision: string
  created: string
}

/** See the annotations page of OCI's image specification. */
function labelsOf({ version, revision, created }: ImageLabels): { [label: string]: string } {
  const labels = {
    title: 'Warmgate',
    description: 'Makes existing KServe manifests start fast, unchanged, on Fluid caches',
    licenses: 'Apache-2.0',
    version,
    revision,
    created,
  }
  return Object.fromEntries(
    Object.entries(labels).map(([label, value]) => [`org.opencontainers.image.${label}`, value]),
  )
}

/** The Containerfile says the same; release/image.test.ts compares them. */
export function configOf(labels: { [label: string]: string }): object {
  return {
    User: `${user}:${user}`,
    Env: ['PATH=/nodejs/bin', 'NODE_ENV=production'],
    Entrypoint: ['/nodejs/bin/node', '/app/warmgate.mjs'],
    WorkingDir: '/app',
    Labels: labels,
  }
}

if (import.meta.main) {
  const { file, name, bytes } = await buildImage(fileURLToPath(new URL('dist', root)))
  process.stdout.write(`${name}: ${file} (${(bytes / 2 ** 20).toFixed(1)} MiB)\n`)
}
