import type { Binaries } from '../cluster/binaries.ts'
import { pin, type Upstream, upstreams } from '../cluster/upstreams.ts'
import type { LayeredImage } from '../node/images.ts'
import { alluxioConfig, alluxioLayers, alluxioVersion } from './alluxio.ts'
import { csiLayer } from './csi.ts'
import { debianLayer, rcloneLayer } from './debian.ts'
import { storageConfig, storageLayer } from './storage.ts'

type Progress = (line: string) => void

/** KServe's storage initializer, of the version that the tests' KServe has. */
export async function storageImage(progress: Progress): Promise<LayeredImage> {
  const kserve = upstreams.find(({ name }) => name === 'kserve') as Upstream
  const version = (await pin(kserve)).version.slice(1)
  const layers = [await debianLayer(progress), await storageLayer(version, progress)]
  return { name: `warmgate.test/storage-initializer:${version}`, layers, config: storageConfig }
}

/** A shell and rclone, on the PATH. */
export async function rcloneImage(progress: Progress): Promise<LayeredImage> {
  const layers = [await debianLayer(progress), await rcloneLayer(progress)]
  return { name: 'warmgate.test/rclone:1', layers, config: { Entrypoint: ['rclone'], Env: ['HOME=/tmp'] } }
}

/** Alluxio, under names that Fluid's chart and engine call. Its tag is a version, which Fluid compares. */
export async function alluxioImage(progress: Progress): Promise<LayeredImage> {
  const layers = [await debianLayer(progress), ...(await alluxioLayers(progress))]
  return { name: `warmgate.test/alluxio:${alluxioVersion}`, layers, config: alluxioConfig }
}

/** @param binaries with `fluid-csi` and `registrar` */
export async function csiImage(binaries: Binaries, progress: Progress): Promise<LayeredImage> {
  const layers = [await debianLayer(progress), await csiLayer(binaries, progress)]
  return { name: 'warmgate.test/fluid-csi:1', layers, config: { Entrypoint: ['fluid-csi'] } }
}
