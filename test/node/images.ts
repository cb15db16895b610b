import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { JsonObject } from '../../src/values/object.ts'
import type { Layer } from '../images/layers.ts'

const run = promisify(execFile)

/** An image of one static program: there is no registry, so that images come as files. */
export interface Image {
  name: string
  entrypoint: string[]
}

/** An image of layers that the cache has: test/images. */
export interface LayeredImage {
  name: string
  /** From the lowest to the uppermost. */
  layers: readonly Layer[]
  /** As in an image's configuration: `Entrypoint`, `Env`, `User`. */
  config: JsonObject
}

/** What containerd makes a pod's sandbox of. */
export const pauseImage: Image = { name: 'warmgate.test/pause:1', entrypoint: ['/guest', 'pause'] }

/** Reads `model.bin` from where KServe mounts models, then answers at port 8080 with its bytes. */
export const modelServerImage: Image = {
  name: 'warmgate.test/model-server:1',
  entrypoint: ['/guest', 'serve', '/mnt/models'],
}

/** A container of this image. It is Ready once it has read its model. */
export const modelServer: JsonObject = {
  image: modelServerImage.name,
  ports: [{ containerPort: 8080 }],
  readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
  resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '1', memory: '64Mi' } },
}

const architectures: { [name: string]: string } = { x64: 'amd64', arm64: 'arm64' }

export interface WriteOptions {
  /** The program. */
  guest: string
  /** Where to work, and where the archive is left. */
  folder: string
  /** Images besides. */
  more?: readonly LayeredImage[]
}

/** Writes an archive in OCI's image layout with all images, for `ctr images import`, and gives its path. */
export async function writeImages(
  images: readonly Image[],
  { guest, folder, more = [] }: WriteOptions,
): Promise<string> {
  const layout = new Layout(join(folder, 'images'))
  await layout.open()
  const layer = await layout.layer(guest)
  const own = images.map(({ name, entrypoint }) => ({
    name,
    layers: [layer],
    config: { Entrypoint: entrypoint },
  }))
  const layers = new Map(more.flatMap((image) => image.layers).map((each) => [each.digest, each]))
  for (const each of layers.values()) await layout.link(each)
  const manifests = await Promise.all([...own, ...more].map((image) => layout.image(image)))
  await layout.write('index.json', { schemaVersion: 2, manifests })
  await layout.write('oci-layout', { imageLayoutVersion: '1.0.0' })
  const archive = join(folder, 'images.tar')
  // Layers are links into the cache.
  await run('tar', ['-chf', archive, '-C', layout.folder, '.'])
  return archive
}

interface Blob {
  mediaType: string
  digest: string
  size: number
}

const layerType = 'application/vnd.oci.image.layer.v1.tar'

class Layout {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  async open(): Promise<void> {
    await mkdir(join(this.folder, 'blobs/sha256'), { recursive: true })
  }

  async write(name: string, content: object): Promise<void> {
    await writeFile(join(this.folder, name), JSON.stringify(content))
  }

  async layer(guest: string): Promise<Layer> {
    const root = `${this.folder}-root`
    await mkdir(root)
    await copyFile(guest, join(root, 'guest'))
    const tar = `${this.folder}-layer.tar`
    await run('tar', ['-cf', tar, '-C', root, 'guest'])
    return { file: tar, ...(await this.#blob(layerType, await readFile(tar))) }
  }

  async link({ file, digest }: Layer): Promise<void> {
    await symlink(file, join(this.folder, 'blobs', digest.replace(':', '/')))
  }

  async image({ name, layers, config: inner }: LayeredImage): Promise<object> {
    const config = {
      architecture: architectures[process.arch],
      os: 'linux',
      config: inner,
      // Of a layer that is not compressed, the digest is its content's, too.
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: await this.#json('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map(({ digest, size }) => ({ mediaType: layerType, digest, size })),
    }
    const blob = await this.#json(manifest.mediaType, manifest)
    return { ...blob, annotations: { 'io.containerd.image.name': name } }
  }

  #json(mediaType: string, content: object): Promise<Blob> {
    return this.#blob(mediaType, Buffer.from(JSON.stringify(content)))
  }

  async #blob(mediaType: string, content: Buffer): Promise<Blob> {
    const hash = createHash('sha256').update(content).digest('hex')
    await writeFile(join(this.folder, 'blobs/sha256', hash), content)
    return { mediaType, digest: `sha256:${hash}`, size: content.length }
  }
}
