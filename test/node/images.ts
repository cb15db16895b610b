import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** An image of one static program: there is no registry, so that images come as files. */
export interface Image {
  name: string
  entrypoint: string[]
}

/** What containerd makes a pod's sandbox of. */
export const pauseImage: Image = { name: 'warmgate.test/pause:1', entrypoint: ['/guest', 'pause'] }

/** Reads `model.bin` from where KServe mounts models, then answers at port 8080 with its bytes. */
export const modelServerImage: Image = {
  name: 'warmgate.test/model-server:1',
  entrypoint: ['/guest', 'serve', '/mnt/models'],
}

const architectures: { [name: string]: string } = { x64: 'amd64', arm64: 'arm64' }

/**
 * Writes an archive in OCI's image layout with all images, for `ctr images import`, and gives its path.
 * @param guest the program; @param folder where to work, and where the archive is left
 */
export async function writeImages(
  images: readonly Image[],
  { guest, folder }: { guest: string; folder: string },
): Promise<string> {
  const layout = new Layout(join(folder, 'images'))
  await layout.open()
  const layer = await layout.layer(guest)
  const manifests = await Promise.all(images.map((image) => layout.image(image, layer)))
  await layout.write('index.json', { schemaVersion: 2, manifests })
  await layout.write('oci-layout', { imageLayoutVersion: '1.0.0' })
  const archive = join(folder, 'images.tar')
  await run('tar', ['-cf', archive, '-C', layout.folder, '.'])
  return archive
}

interface Blob {
  mediaType: string
  digest: string
  size: number
}

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

  async layer(guest: string): Promise<Blob> {
    const root = `${this.folder}-root`
    await mkdir(root)
    await copyFile(guest, join(root, 'guest'))
    const tar = `${this.folder}-layer.tar`
    await run('tar', ['-cf', tar, '-C', root, 'guest'])
    return await this.#blob('application/vnd.oci.image.layer.v1.tar', await readFile(tar))
  }

  async image({ name, entrypoint }: Image, layer: Blob): Promise<object> {
    const config = {
      architecture: architectures[process.arch],
      os: 'linux',
      config: { Entrypoint: entrypoint },
      // Of a layer that is not compressed, the digest is its content's, too.
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: await this.#json('application/vnd.oci.image.config.v1+json', config),
      layers: [layer],
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
