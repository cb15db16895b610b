import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Layout } from '../../release/oci.ts'

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
  const root = join(folder, 'images-root')
  await mkdir(root)
  await copyFile(guest, join(root, 'guest'))
  const layers = [await layout.layer(root)]
  const manifests = await Promise.all(
    images.map(({ name, entrypoint }) => layout.image({ name, layers, config: { Entrypoint: entrypoint } })),
  )
  const archive = join(folder, 'images.tar')
  await layout.archive(archive, manifests)
  return archive
}
