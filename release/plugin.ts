import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { bundle } from '../build.ts'
import { root } from './version.ts'

const run = promisify(execFile)

/** Owners and times do not depend on who packs, and when. */
export async function pack(folder: string, file: string, entry = '.'): Promise<void> {
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
  await run('tar', [...same, '--use-compress-program=gzip -n', '-cf', file, '-C', folder, entry])
}

/** The archive of the kubectl plugin: the bundle, which runs on Node 24 of any platform, and its licences. */
export async function writePlugin(file: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-plugin-'))
  try {
    await bundle(join(folder, 'warmgate.mjs'))
    await cp(fileURLToPath(new URL('LICENSE', root)), join(folder, 'LICENSE'))
    await pack(folder, file)
  } finally {
    await rm(folder, { recursive: true })
  }
}

export interface PluginRelease {
  version: string
  /** Where the archive can be downloaded. */
  uri: string
  sha256: string
}

/** The manifest of krew's index. See krew's developer guide, "Writing Krew plugin manifests". */
export function krewManifest({ version, uri, sha256 }: PluginRelease): string {
  const expressions = [{ key: 'os', operator: 'In', values: ['linux', 'darwin'] }]
  return stringify({
    apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
    kind: 'Plugin',
    metadata: { name: 'warmgate' },
    spec: {
      version: `v${version}`,
      shortDescription: 'Start KServe models from Fluid caches',
      description:
        'Shows what Warmgate would do to a service, what its caches and held pods do now, and undoes everything.\n',
      caveats: 'Needs Node 24 or later on the PATH.\n',
      platforms: [
        {
          selector: { matchExpressions: expressions },
          uri,
          sha256,
          bin: './warmgate.mjs',
          files: [{ from: '*', to: '.' }],
        },
      ],
    },
  })
}
