import type { Binaries } from '../cluster/binaries.ts'
import { copyFiles, type Layer, provideLayer } from './layers.ts'

/** Fluid's CSI driver with its scripts, and what announces it to kubelet. */
export async function csiLayer(binaries: Binaries, progress: (line: string) => void): Promise<Layer> {
  const scripts = ['entrypoint.sh', 'check_mount.sh', 'check_bind_mounts.sh']
  const bin = '/usr/local/bin'
  const files = {
    [`${bin}/fluid-csi`]: binaries.path('fluid-csi'),
    [`${bin}/registrar`]: binaries.path('registrar'),
    ...Object.fromEntries(scripts.map((name) => [`${bin}/${name}`, `${binaries.charts}/csi/${name}`])),
  }
  // Their paths name what they were built from.
  const inputs = { files, version: 1 }
  const furnish = (root: string) => copyFiles(root, files)
  return await provideLayer({ name: 'csi', inputs, aboutMinutes: 1, furnish }, progress)
}
