import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

const run = promisify(execFile)
const compress = promisify(gzip)
const architectures: { [name: string]: string } = { x64: 'amd64', arm64: 'arm64' }

/** The architecture of this machine, by the name that OCI and Go give it. */
export const architecture = architectures[process.arch] ?? process.arch

/** Owners and times do not depend on who builds, and when. */
const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']

export interface Blob {
  mediaType: string
  digest: string
  size: number
}

export interface Layer extends Blob {
  /** The digest of its content, before compression. */
  diffId: string
}

export interface Image {
  /** As containerd knows it, with its registry: `docker.io/library/warmgate:0.1.0`. */
  name: string
  layers: readonly Layer[]
  /** OCI's image configuration: Entrypoint, User, Labels, … */
  config: object
  /** RFC 3339. */
  created?: string
}

/** A folder in OCI's image layout, and an archive of it. See the image-layout page of OCI's image specification. */
export class Layout {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<void> {
    await mkdir(join(this.#folder, 'blobs/sha256'), { recursive: true })
  }

  /** A layer with everything that is in `root`. */
  async layer(root: string): Promise<Layer> {
    const tar = await tarOf(root)
    const blob = await this.#blob('application/vnd.oci.image.layer.v1.tar+gzip', await compress(tar))
    return { ...blob, diffId: digestOf(tar) }
  }

  /** Resolves with what an index says of the image. */
  async image({ name, layers, config, created }: Image): Promise<object> {
    const configuration = {
      ...(created === undefined ? {} : { created }),
      architecture,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: await this.#json('application/vnd.oci.image.config.v1+json', configuration),
      layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    }
    const blob = await this.#json(manifest.mediaType, manifest)
    const annotations = {
      'io.containerd.image.name': name,
      'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
    }
    return { ...blob, platform: { architecture, os: 'linux' }, annotations }
  }

  /** Writes an archive for `ctr images import`, `podman load` or `docker load`. */
  async archive(file: string, manifests: readonly object[]): Promise<void> {
    const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }
    await writeFile(join(this.#folder, 'index.json'), JSON.stringify(index))
    await writeFile(join(this.#folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
    await run('tar', [...reproducible, '-cf', file, '-C', this.#folder, '.'])
  }

  #json(mediaType: string, content: object): Promise<Blob> {
    return this.#blob(mediaType, Buffer.from(JSON.stringify(content)))
  }

  async #blob(mediaType: string, content: Buffer): Promise<Blob> {
    const digest = digestOf(content)
    await writeFile(join(this.#folder, 'blobs', digest.replace(':', '/')), content)
    return { mediaType, digest, size: content.length }
  }
}

async function tarOf(root: string): Promise<Buffer> {
  const file = `${root}.tar`
  await run('tar', [...reproducible, '-cf', file, '-C', root, '.'])
  return await readFile(file)
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
